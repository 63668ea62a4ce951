//! Rules: attributes by path.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use regex_automata::meta::Regex;

use super::{CustomisationError, FileType, Rule, capabilities};
use crate::recipe::FileContent;
use crate::tar::{Kind, Member};

/// Under this name the kernel keeps a file's capabilities.
const CAPABILITIES: &[u8] = b"security.capability";

/// A rule that is understood.
struct Compiled<'r> {
    rule: &'r Rule,
    pattern: Pattern,
    mode: Option<u32>,
    capabilities: Option<Vec<u8>>,
    matched: bool,
}

/// The subject of a rule.
enum Pattern {
    Glob(GlobMatcher),
    Regex(Regex),
}

impl Pattern {
    fn new(rule: &Rule) -> Result<Self, CustomisationError> {
        let wrong = |reason: String| CustomisationError::Pattern { pattern: rule.pattern(), reason };
        match (&rule.path, &rule.regex) {
            (Some(path), None) if !path.starts_with('/') => {
                Err(wrong("it must begin with a slash".to_owned()))
            }
            (Some(path), None) => {
                let glob = GlobBuilder::new(path).literal_separator(true).empty_alternates(true).build();
                glob.map(|glob| Self::Glob(glob.compile_matcher()))
                    .map_err(|error| wrong(error.kind().to_string()))
            }
            (None, Some(regex)) => Regex::new(regex).map(Self::Regex).map_err(|error| {
                let cause = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
                wrong(cause.lines().last().unwrap_or_default().to_owned())
            }),
            _ => Err(wrong("a rule has either path or regex".to_owned())),
        }
    }

    fn is_match(&self, name: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(Path::new(std::ffi::OsStr::from_bytes(name))),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

impl Rule {
    /// The subject, as the text has it.
    fn pattern(&self) -> String {
        self.path.clone().or_else(|| self.regex.clone()).unwrap_or_default()
    }
}

/// Gives the members the attributes that the rules say, each rule in turn.
pub(super) fn apply(rules: &[Rule], files: &mut [(Member, FileContent)]) -> Result<(), CustomisationError> {
    let mut rules = rules.iter().map(Compiled::new).collect::<Result<Vec<_>, _>>()?;
    for (member, _) in files {
        // `./` and `./etc/` stand for `/` and `/etc`.
        let name = &member.name[1..];
        let name = if name.len() > 1 { name.strip_suffix(b"/").unwrap_or(name) } else { name };
        let name = name.to_vec();
        for rule in &mut rules {
            rule.apply(&name, member)?;
        }
    }
    match rules.iter().find(|rule| !rule.matched) {
        Some(unused) => Err(CustomisationError::NoMatch(unused.rule.pattern())),
        None => Ok(()),
    }
}

impl<'r> Compiled<'r> {
    fn new(rule: &'r Rule) -> Result<Self, CustomisationError> {
        let capabilities = rule.capabilities.as_deref().map(|text| {
            capabilities::parse(text)
                .map_err(|source| CustomisationError::Capabilities { text: text.to_owned(), source })
        });
        Ok(Self {
            rule,
            pattern: Pattern::new(rule)?,
            mode: rule.mode.as_deref().map(mode).transpose()?,
            capabilities: capabilities.transpose()?,
            matched: false,
        })
    }

    fn apply(&mut self, name: &[u8], member: &mut Member) -> Result<(), CustomisationError> {
        let file_type = match member.kind {
            Kind::DIRECTORY => FileType::Directory,
            Kind::SYMLINK => FileType::Symlink,
            _ => FileType::File,
        };
        let right_type = self.rule.file_type.is_none_or(|wanted| wanted == file_type);
        if !right_type || !self.pattern.is_match(name) {
            return Ok(());
        }
        self.matched = true;
        if let Some(uid) = self.rule.uid {
            member.uid = uid.into();
        }
        if let Some(gid) = self.rule.gid {
            member.gid = gid.into();
        }
        if let Some(mtime) = self.rule.mtime {
            member.mtime = mtime;
        }
        if let Some(mode) = self.mode.filter(|_| file_type != FileType::Symlink) {
            member.mode = mode;
        }
        if let Some(value) = &self.capabilities {
            if file_type != FileType::File {
                return Err(CustomisationError::NoCapabilities(String::from_utf8_lossy(name).into_owned()));
            }
            member.xattrs = vec![(CAPABILITIES.to_vec(), value.clone())];
        }
        Ok(())
    }
}

fn mode(text: &str) -> Result<u32, CustomisationError> {
    let octal = (1..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|_| octal)
        .ok_or_else(|| CustomisationError::Mode(text.to_owned()))
}
