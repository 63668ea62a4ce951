//! One change at any place of any document of a layout that is right: it is found, unless what the document says stays the same.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::{ALL, Document, layout};
use crate::json::{Json, quoted, unquoted};

/// Changes to a value, or to the key under which it stands.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// The entry twice; the second time its key is written with an escape.
    Twice,
    TwiceEscaped,
    /// The key in another case: alone, or beside itself.
    Case,
    CaseBeside,
    /// With letters that Unicode folds into `k` and `s`.
    Folded,
    /// A value of another type that holds the same.
    Retyped,
    Removed,
    Emptied,
    /// A number in another form, or another number.
    Form,
    Another,
    /// A digest or a media type in capitals.
    Capitals,
    Parameter,
    /// Half of a surrogate pair in a string.
    Surrogate,
    /// Two items of a list change places.
    Swapped,
    /// An unknown key more.
    Unknown,
    Spaces,
    Trailing,
}

const MUTATIONS: [Mutation; 17] = [
    Mutation::Twice,
    Mutation::TwiceEscaped,
    Mutation::Case,
    Mutation::CaseBeside,
    Mutation::Folded,
    Mutation::Retyped,
    Mutation::Removed,
    Mutation::Emptied,
    Mutation::Form,
    Mutation::Another,
    Mutation::Capitals,
    Mutation::Parameter,
    Mutation::Surrogate,
    Mutation::Swapped,
    Mutation::Unknown,
    Mutation::Spaces,
    Mutation::Trailing,
];

/// The expected output of verify.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Wrong,
    Right,
}

/// Keys whose values are objects of which the keys are data.
const MAPS: [&str; 4] = ["annotations", "Labels", "Volumes", "ExposedPorts"];

/// Keys without which a document is not what it was. (What else is removed may be missing.)
const NEEDED: [&str; 11] = [
    "imageLayoutVersion",
    "schemaVersion",
    "manifests",
    "config",
    "layers",
    "digest",
    "size",
    "rootfs",
    "type",
    "diff_ids",
    "empty_layer",
];

/// Where a value stands, as far as it matters what may be done to it.
struct Standing<'p> {
    document: Document,
    path: &'p [String],
}

impl Standing<'_> {
    fn key(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    fn above(&self) -> &[String] {
        &self.path[..self.path.len().saturating_sub(1)]
    }

    /// Nobody knows what stands here.
    fn is_unknown(&self) -> bool {
        self.path.iter().any(|step| step.starts_with("x-") || step.starts_with("moby."))
    }

    /// A key here is data.
    fn is_in_map(&self) -> bool {
        self.above().last().is_some_and(|above| MAPS.contains(&above.as_str()))
    }

    /// The key is one that programs know.
    fn has_known_key(&self) -> bool {
        !self.is_unknown()
            && !self.is_in_map()
            && self.key().parse::<usize>().is_err()
            && !self.path.is_empty()
    }

    /// These values are checked against others.
    fn is_checked(&self) -> bool {
        let last_two = (self.above().last().map_or("", String::as_str), self.key());
        match self.key() {
            "digest" | "size" | "schemaVersion" | "imageLayoutVersion" => true,
            // Config and layers of what is no image may be anything.
            "mediaType" => self.document != Document::Attestation || self.above().is_empty(),
            "type" => last_two.0 == "rootfs",
            "architecture" | "os" | "os.version" | "variant" => self.document != Document::Attestation,
            _ => last_two.0 == "diff_ids",
        }
    }
}

/// Does it to a document. `None`: it cannot be done here, or nothing is known of what it means.
fn mutated(text: &str, at: &Standing<'_>, mutation: Mutation, index: Index) -> Option<(String, Verdict)> {
    let mut document = Json::parse(text);
    let verdict = match mutation {
        Mutation::Spaces => return Some((spaced(text), Verdict::Right)),
        Mutation::Trailing => return Some((format!("{text} {{}}"), Verdict::Wrong)),
        Mutation::Twice
        | Mutation::TwiceEscaped
        | Mutation::Case
        | Mutation::CaseBeside
        | Mutation::Folded
        | Mutation::Removed
        | Mutation::Emptied => {
            if at.path.is_empty() || at.key().parse::<usize>().is_ok() {
                return None;
            }
            of_entry(document.below(at.above()).entries(), at, mutation, index)?
        }
        _ => of_value(document.below(at.path), at, mutation, index)?,
    };
    Some((document.text(), verdict))
}

/// Changes an entry among others.
fn of_entry(
    entries: &mut Vec<(String, Json)>,
    at: &Standing<'_>,
    mutation: Mutation,
    index: Index,
) -> Option<Verdict> {
    let place = entries.iter().position(|(name, _)| unquoted(name) == at.key())?;
    let value = entries[place].1.clone();
    if let Mutation::Twice | Mutation::TwiceEscaped = mutation {
        let key = if let Mutation::Twice = mutation { quoted(at.key()) } else { escaped(at.key(), index) };
        entries.push((key, value));
        return Some(Verdict::Wrong);
    }
    if let Mutation::Removed | Mutation::Emptied = mutation {
        let is_container = at.key() == "config" && at.document == Document::Config;
        let is_default = at.key() == "empty_layer" && value.text() == "false";
        if !at.has_known_key() || !NEEDED.contains(&at.key()) || is_container || is_default {
            return None;
        }
        match mutation {
            Mutation::Removed => drop(entries.remove(place)),
            _ => entries[place].1 = Json::Raw("null".into()),
        }
        return Some(Verdict::Wrong);
    }
    let key = match mutation {
        Mutation::Folded => at.key().replace('k', "\u{212a}").replace('s', "\u{17f}"),
        _ => other_case(at.key(), index),
    };
    let is_beside = matches!(mutation, Mutation::CaseBeside);
    let means_something =
        ["vnd.docker.reference", "org.opencontainers"].iter().any(|start| at.key().starts_with(start));
    let is_there = entries.iter().any(|(name, _)| unquoted(name) == key);
    if is_there || means_something && !is_beside {
        return None;
    }
    if is_beside {
        entries.push((quoted(&key), value));
    } else {
        entries[place].0 = quoted(&key);
    }
    // Of an unknown key among known ones each spelling alone would do.
    let is_one_of_two = is_beside && at.is_unknown() && at.above().is_empty();
    Some(if at.has_known_key() || is_one_of_two { Verdict::Wrong } else { Verdict::Right })
}

/// Changes a value.
fn of_value(value: &mut Json, at: &Standing<'_>, mutation: Mutation, index: Index) -> Option<Verdict> {
    let unless_unknown = if at.is_unknown() { Verdict::Right } else { Verdict::Wrong };
    match (mutation, value) {
        (Mutation::Unknown, Json::Object(entries)) => {
            entries.push((quoted("x-new"), Json::Raw(quoted("x"))));
            let holds_objects = ["Volumes", "ExposedPorts"].contains(&at.key());
            (!holds_objects).then_some(Verdict::Right)
        }
        (Mutation::Swapped, Json::List(items)) if items.len() > 1 => {
            let place = index.index(items.len() - 1);
            items.swap(place, place + 1);
            let is_ordered = ["layers", "diff_ids"].contains(&at.key());
            Some(if is_ordered { unless_unknown } else { Verdict::Right })
        }
        (Mutation::Retyped, value) if !at.path.is_empty() && value.text() != "null" => {
            *value = retyped(value.clone());
            Some(unless_unknown)
        }
        (mutation, Json::Raw(text)) => {
            *text = other_raw(text, at, mutation, index)?;
            Some(if let Mutation::Surrogate = mutation { Verdict::Wrong } else { unless_unknown })
        }
        _ => None,
    }
}

fn retyped(value: Json) -> Json {
    match value {
        Json::Object(entries) => Json::List(entries.into_iter().map(|(_, value)| value).collect()),
        Json::List(items) => {
            let numbered = items.into_iter().enumerate();
            Json::Object(numbered.map(|(number, item)| (quoted(&number.to_string()), item)).collect())
        }
        Json::Raw(text) if text.starts_with('"') => Json::List(vec![Json::Raw(text)]),
        Json::Raw(text) => Json::Raw(quoted(&text)),
    }
}

/// Another number or string, as it is written.
fn other_raw(text: &str, at: &Standing<'_>, mutation: Mutation, index: Index) -> Option<String> {
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match (mutation, inside, text.parse::<i64>()) {
        (Mutation::Form, _, Ok(_)) => Some(format!("{text}{}", [".0", "e0", "E+0"][index.index(3)])),
        (Mutation::Another, _, Ok(number)) if at.is_checked() => {
            Some((number + [-1, 1, 1 << 40][index.index(3)]).to_string())
        }
        (Mutation::Another, Some(_), _) if at.is_checked() => Some(other_text(text, index)),
        (Mutation::Capitals, Some(inside), _) if at.is_checked() => {
            let capitals = inside.to_uppercase();
            (capitals != inside).then(|| format!("\"{capitals}\""))
        }
        (Mutation::Parameter, Some(inside), _) if at.is_checked() => {
            Some(format!("\"{inside}; charset=utf-8\""))
        }
        (Mutation::Surrogate, Some(inside), _) => {
            let half = ["\\ud800", "\\udfff", "\\ud800\\u0041"][index.index(3)];
            Some(format!("\"{half}{inside}\""))
        }
        _ => None,
    }
}

fn spaced(text: &str) -> String {
    format!("\t\r\n {:#}\n ", serde_json::from_str::<serde_json::Value>(text).unwrap())
}

fn escaped(key: &str, index: Index) -> String {
    let characters: Vec<char> = key.chars().collect();
    let place = index.index(characters.len());
    let escape = |(at, character): (usize, &char)| {
        if at == place { format!("\\u{:04X}", u32::from(*character)) } else { character.to_string() }
    };
    format!("\"{}\"", characters.iter().enumerate().map(escape).collect::<String>())
}

fn other_case(key: &str, index: Index) -> String {
    let turned = |character: char| {
        if character.is_lowercase() { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() }
    };
    let letters: Vec<usize> =
        key.char_indices().filter(|(_, it)| it.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    if letters.is_empty() {
        return key.to_owned();
    }
    let place = letters[index.index(letters.len())];
    key.char_indices().map(|(at, it)| if at == place { turned(it) } else { it }).collect()
}

/// Another digest, media type, architecture and so on.
fn other_text(text: &str, index: Index) -> String {
    let known = [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "amd64",
        "v7",
        "windows",
    ];
    let text = unquoted(text);
    let others: Vec<&str> = known.into_iter().filter(|other| *other != text).collect();
    match text.strip_prefix("sha256:") {
        Some(hex) => {
            let place = index.index(hex.len());
            let digit = if hex.as_bytes()[place] == b'0' { "1" } else { "0" };
            quoted(&format!("sha256:{}{digit}{}", &hex[..place], &hex[place + 1..]))
        }
        None => quoted(others[index.index(others.len())]),
    }
}

/// The documents without changes.
pub(crate) fn originals() -> &'static [(Document, String)] {
    static ORIGINALS: OnceLock<Vec<(Document, String)>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let original = |document| {
            let mut original = String::new();
            layout(document, |text| {
                text.clone_into(&mut original);
                text.as_bytes().to_vec()
            });
            (document, original)
        };
        ALL.map(original).to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, max_global_rejects: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn one_change(
        document in prop::sample::select(originals()),
        mutation in prop::sample::select(MUTATIONS.to_vec()),
        place in any::<Index>(),
        index in any::<Index>(),
    ) {
        let (document, text) = document;
        let places = Json::parse(&text).places();
        let path = place.get(&places);
        let new = mutated(&text, &Standing { document, path }, mutation, index);
        let Some((new, verdict)) = new else { return Err(TestCaseError::reject("it cannot be done here")) };
        let problems = layout(document, |_| new.clone().into_bytes()).problems();
        let found = if problems.is_empty() { Verdict::Right } else { Verdict::Wrong };
        prop_assert_eq!(found, verdict, "{:?} of {:?} in {:?}: {:?} {}", mutation, path, document, problems, new);
    }
}
