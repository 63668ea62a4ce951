//! Reads JSON that others have written, and only what all programs read alike.
//!
//! Nearly all programs that take images are written in Go. Its `encoding/json` takes `Layers` for `layers`, of two keys the
//! last, and `null` for nothing at all; programs in other languages do not, and serde reads a struct out of a list. So a document
//! is compared with the expected [`Shape`] before any of it is read. A document that passes means the same to all of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::{JsonFault, OpenError};
use super::time::is_time;
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};

/// Keys that begin so stand for numbers and for JSON in strings inside of `serde_json`, which takes them out of any text.
const RESERVED: &str = "$serde_json::private::";

/// The expected shape of a value other than `null`, which counts as absent except among strings in a list or a map. The reader
/// checks that required values are present.
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// A string.
    Text,
    /// A string that holds a time as RFC 3339 writes it.
    Time,
    /// A number that Go reads as an `int64`.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of these.
    List(&'static Shape),
    /// An object whose keys are data, so that upper and lower case differ, with a value of this shape for each.
    Map(&'static Shape),
    /// An object whose keys programs know, of which these are some.
    Object(&'static [(&'static str, &'static Shape)]),
}

/// Reads JSON of this shape, up to a maximum size. `name` is its name in errors.
pub(crate) fn parse<T: DeserializeOwned>(name: &str, shape: &Shape, text: &[u8]) -> Result<T, OpenError> {
    check(name, shape, text)?;
    serde_json::from_slice(text).map_err(|error| malformed(name, error.into()))
}

/// Makes sure that a text is JSON of this shape, and the same to all programs.
pub(crate) fn check(name: &str, shape: &Shape, text: &[u8]) -> Result<(), OpenError> {
    if values(text) > MAX_JSON_VALUES {
        return Err(OpenError::TooMany(name.to_owned()));
    }
    let text = str::from_utf8(text).map_err(|_| malformed(name, JsonFault::Encoding))?;
    let whole = serde_json::from_str(text).map_err(|error| malformed(name, error.into()))?;
    let top = Position { above: None, step: Step::Top, depth: 0 };
    top.check(shape, whole).map_err(|fault| malformed(name, fault))
}

/// The error of reading a value that was checked before.
pub(crate) fn malformed(name: &str, source: JsonFault) -> OpenError {
    OpenError::Json { member: name.to_owned(), source }
}

/// How many values a JSON text has at most: arrays, objects, and what commas part in them. A key counts with its value.
fn values(text: &[u8]) -> u64 {
    let (mut values, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values
}

/// Where a value stands in a text.
struct Position<'p> {
    above: Option<&'p Position<'p>>,
    step: Step<'p>,
    depth: usize,
}

enum Step<'p> {
    Top,
    Key(&'p str),
    Item(usize),
}

impl Position<'_> {
    fn check(&self, shape: &Shape, value: &RawValue) -> Result<(), JsonFault> {
        if self.depth > MAX_JSON_DEPTH {
            return Err(JsonFault::Depth);
        }
        let text = value.get();
        let kind = text.as_bytes().first();
        if kind == Some(&b'n') {
            return Ok(());
        }
        let must_be = |expected, is_right| {
            if is_right { Ok(()) } else { Err(JsonFault::Type { place: self.to_string(), expected }) }
        };
        match (shape, kind) {
            (Shape::Any | Shape::List(_), Some(b'[')) => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let of = if let Shape::List(of) = shape { of } else { &Shape::Any };
                let mut items = items.into_iter().enumerate();
                items.try_for_each(|(number, item)| self.below(Step::Item(number)).check_part(of, item))
            }
            (Shape::Any | Shape::Map(_) | Shape::Object(_), Some(b'{')) => self.object(shape, text),
            (Shape::Any | Shape::Text, Some(b'"')) => string(text).map(drop),
            (Shape::Any | Shape::Boolean, Some(b't' | b'f')) => Ok(()),
            (Shape::Time, Some(b'"')) => must_be("a time as RFC 3339 has it", is_time(&string(text)?)),
            (Shape::Any, _) => must_be("a number of 64 bits", text.parse().is_ok_and(f64::is_finite)),
            (Shape::Integer, _) => must_be("an integer of 64 bits", text.parse::<i64>().is_ok()),
            (Shape::Text, _) => must_be("a string", false),
            (Shape::Time, _) => must_be("a time", false),
            (Shape::Boolean, _) => must_be("true or false", false),
            (Shape::List(_), _) => must_be("a list", false),
            (Shape::Map(_) | Shape::Object(_), _) => must_be("an object", false),
        }
    }

    fn object(&self, shape: &Shape, text: &str) -> Result<(), JsonFault> {
        let Entries(entries) = serde_json::from_str(text)?;
        let mut seen: HashMap<Cow<'_, str>, &str> = HashMap::with_capacity(entries.len());
        for (KeyText(key), value) in &entries {
            if key.starts_with(RESERVED) {
                return Err(JsonFault::Reserved { place: self.to_string(), key: key.to_string() });
            }
            let same = if let Shape::Object(_) = shape { folded(key) } else { Cow::Borrowed(&**key) };
            match seen.entry(same) {
                Entry::Vacant(entry) => drop(entry.insert(key)),
                Entry::Occupied(first) => {
                    let (first, second) = ((*first.get()).to_owned(), key.to_string());
                    return Err(JsonFault::Twice { place: self.to_string(), first, second });
                }
            }
            let of = match shape {
                Shape::Object(known) => self.known(known, key)?,
                Shape::Map(of) => of,
                _ => &Shape::Any,
            };
            let below = self.below(Step::Key(key));
            if let Shape::Map(_) = shape { below.check_part(of, value) } else { below.check(of, value) }?;
        }
        Ok(())
    }

    /// An item of a list, or the value of a key that is data. Where it is `null` Go reads an empty string, not nothing.
    fn check_part(&self, shape: &Shape, value: &RawValue) -> Result<(), JsonFault> {
        if value.get() == "null" && matches!(shape, Shape::Text) {
            return Err(JsonFault::Type { place: self.to_string(), expected: "a string" });
        }
        self.check(shape, value)
    }

    /// What the value of a key must be, which must be spelled as it is known.
    fn known(
        &self,
        known: &'static [(&'static str, &'static Shape)],
        key: &str,
    ) -> Result<&'static Shape, JsonFault> {
        if let Some((_, shape)) = known.iter().find(|(name, _)| *name == key) {
            return Ok(shape);
        }
        let folded = folded(key);
        match known.iter().find(|(name, _)| self::folded(name) == folded) {
            None => Ok(&Shape::Any),
            Some((known, _)) => {
                Err(JsonFault::Spelling { place: self.to_string(), key: key.to_owned(), known })
            }
        }
    }

    fn below<'b>(&'b self, step: Step<'b>) -> Position<'b> {
        Position { above: Some(self), step, depth: self.depth + 1 }
    }
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(above) = self.above else { return f.write_str("it") };
        if above.above.is_some() {
            write!(f, "{above}{}", if let Step::Key(_) = self.step { "." } else { "" })?;
        }
        match self.step {
            Step::Top => Ok(()),
            Step::Key(key) => write!(f, "{}", key.escape_debug()),
            Step::Item(number) => write!(f, "[{number}]"),
        }
    }
}

/// A key as Go compares it with those that it knows: upper and lower case are one, and of other characters the Kelvin sign and
/// the long s are letters of ASCII in another case.
fn folded(key: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| !byte.is_ascii_uppercase() && byte.is_ascii();
    if key.bytes().all(is_folded) {
        return Cow::Borrowed(key);
    }
    let fold = |character: char| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// The content of a string; unpaired surrogates are refused.
fn string(text: &str) -> Result<Cow<'_, str>, JsonFault> {
    Ok(serde_json::from_str::<KeyText<'_>>(text)?.0)
}

#[derive(Deserialize)]
struct KeyText<'t>(#[serde(borrow)] Cow<'t, str>);

/// An object's keys and values, in their order, none of them lost.
struct Entries<'t>(Vec<(KeyText<'t>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
