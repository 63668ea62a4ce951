//! Text for people.
//!
//! Names of images, layers and files, what registries answer and what images say of themselves come from third parties, and end up on
//! a terminal. All text for people leaves through this module, where characters that would move the cursor, or hide or reorder what
//! stands beside them, are escaped as Rust writes them: `\u{1b}`, `\n`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::Value;
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::paint::{self, Paint};

/// Whether a character is shown as something else than itself: C0 and C1 controls, DEL, bidirectional overrides and isolates,
/// zero-width characters, separators of lines and paragraphs, characters that nothing is assigned to.
fn is_harmful(character: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned};
    let category = get_general_category(character);
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned)
}

/// A text that does nothing to a terminal but being shown, on one line.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_harmful(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// JSON that does nothing to a terminal either, and means the same.
pub(crate) fn json(value: &Value) -> String {
    harmless_json(&value.to_string())
}

/// The same, set out on several lines.
pub(crate) fn indented_json(value: &Value) -> String {
    let mut text = harmless_json(&format!("{value:#}"));
    text.push('\n');
    text
}

/// What is harmful in JSON stands in its strings, but for the line breaks between values.
fn harmless_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// A name in a column, which a program can tell from the next one: where it is empty or has a space, a quotation mark or anything
/// harmful in it, a JSON string without spaces.
pub(crate) fn column(name: &str) -> String {
    let is_plain = |character: char| !character.is_whitespace() && character != '"' && !is_harmful(character);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let quoted = harmless_json(&Value::from(name).to_string());
    quoted.chars().fold(String::new(), |mut column, character| {
        if character.is_whitespace() {
            let _ = write!(column, "\\u{:04x}", u32::from(character));
        } else {
            column.push(character);
        }
        column
    })
}

/// Names in one column.
pub(crate) fn columns(names: &[String]) -> String {
    names.iter().map(|name| column(name)).collect::<Vec<_>>().join(" ")
}

/// Says a line on stderr. That nobody can read it changes nothing.
pub(crate) fn say(line: &str) {
    say_as_it_is(&escaped(line));
}

/// Says what has gone wrong.
pub(crate) fn say_error(message: &str) {
    say_as_it_is(&headed(Paint::Red, "strake: error:", message));
}

/// Says what to do about it.
pub(crate) fn say_hint(hint: &str) {
    say_as_it_is(&headed(Paint::Cyan, "hint:", hint));
}

/// Says what may be wrong.
pub(crate) fn say_warning(warning: &str) {
    say_as_it_is(&warned(warning));
}

/// A warning for stderr.
pub(crate) fn warned(warning: &str) -> String {
    headed(Paint::Yellow, "strake: warning:", warning)
}

/// A line for stderr that begins with a word in colour.
pub(crate) fn headed(paint: Paint, head: &str, rest: &str) -> String {
    format!("{} {}", paint.for_stderr(head), escaped(rest))
}

/// An argument as it can be shown.
pub(crate) fn shown(argument: &OsStr) -> OsString {
    escaped(&argument.to_string_lossy()).into_owned().into()
}

/// Says on stderr what is wrong with the command line, as its parser words it. The arguments in it must be such as can be shown.
pub(crate) fn say_usage(error: &clap::Error) {
    let plain = error.render().to_string();
    if plain.contains(|character| character != '\n' && is_harmful(character)) {
        plain.lines().for_each(say);
    } else {
        // With colours, if it is a terminal.
        let _ = error.print();
    }
}

/// Says an event on stderr, as JSON.
pub(crate) fn say_event(event: &Value) {
    say_as_it_is(&json(event));
}

/// Says a line that is harmless.
pub(crate) fn say_as_it_is(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Lines for people, on stdout.
#[derive(Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// Adds a line, whatever is in it.
    pub(crate) fn push(&mut self, line: impl AsRef<str>) {
        self.0.push_str(&escaped(line.as_ref()));
        self.0.push('\n');
    }

    /// Adds a line in colour.
    pub(crate) fn push_painted(&mut self, paint: Paint, line: impl AsRef<str>) {
        self.0.push_str(&paint.for_stdout(&escaped(line.as_ref())));
        self.0.push('\n');
    }

    /// Adds a row of a table, which is no wider than the terminal.
    pub(crate) fn push_row(&mut self, front: &str, last: &str) {
        let (front, last) = (escaped(front), escaped(last));
        self.0.push_str(&paint::row(&front, &last, paint::width(&io::stdout())));
        self.0.push('\n');
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_escaped() {
        for (text, expected) in [
            ("plain, ünïcödé, 層, 🦀 \\ \"", "plain, ünïcödé, 層, 🦀 \\ \""),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("a\tb\nc\rd\0", "a\\tb\\nc\\rd\\u{0}"),
            ("\u{7f}\u{9b}31m\u{85}", "\\u{7f}\\u{9b}31m\\u{85}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("\u{200b}\u{200d}\u{feff}\u{ad}", "\\u{200b}\\u{200d}\\u{feff}\\u{ad}"),
            ("\u{2028}\u{2029}\u{e0041}", "\\u{2028}\\u{2029}\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), expected);
            assert_eq!(escaped(&escaped(text)), expected);
        }
    }

    #[test]
    fn names_in_columns() {
        for (name, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("", "\"\""),
            ("a b", "\"a\\u0020b\""),
            ("\"", "\"\\\"\""),
            ("a\u{3000}\u{202e}b\u{1b}", "\"a\\u3000\\u202eb\\u001b\""),
            ("\u{e0041}", "\"\\udb40\\udc41\""),
        ] {
            assert_eq!(column(name), expected);
        }
    }

    /// What a program makes of columns.
    fn read(line: &str) -> Vec<String> {
        let name = |word: &str| {
            if word.starts_with('"') { serde_json::from_str(word).unwrap() } else { word.to_owned() }
        };
        line.split_whitespace().map(name).collect()
    }

    /// Any text, with all that could be taken for something else.
    fn texts() -> impl Strategy<Value = String> {
        let odd = "[a\"\\\\ \t\n\u{1b}\u{85}\u{9b}\u{a0}\u{200b}\u{202e}\u{2028}\u{3000}\u{e0041}u0]{0,8}";
        prop_oneof![odd, any::<String>()]
    }

    proptest! {
        #[test]
        fn columns_come_apart_again(names in prop::collection::vec(texts(), 0..4)) {
            prop_assert_eq!(read(&columns(&names)), names);
        }

        #[test]
        fn json_stays_what_it_is(text in texts()) {
            let value = serde_json::json!({ &*text: [&text, 1.5, null] });
            for written in [json(&value), indented_json(&value)] {
                prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value.clone());
                prop_assert!(!written.contains(|character| character != '\n' && is_harmful(character)));
            }
            prop_assert!(!json(&value).contains('\n'));
        }

        #[test]
        fn lines_stay_lines(texts in prop::collection::vec(texts(), 0..4)) {
            let mut lines = Lines::default();
            for text in &texts {
                lines.push(text);
            }
            let text = String::from_utf8(lines.as_bytes().to_vec()).unwrap();
            prop_assert_eq!(text.lines().count(), texts.len());
            prop_assert!(!text.contains(|character| character != '\n' && is_harmful(character)));
        }
    }
}
