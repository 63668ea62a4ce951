//! JSON that is to be read alike by all programs.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use strake_image::testing::{JsonDocument, json as check};

use super::memory::said;

/// A text that is taken has one meaning, is read by serde, and is taken again when it is written by serde.
pub fn json(data: &[u8]) {
    for document in JsonDocument::ALL {
        if let Err(error) = check(document, data) {
            said(&error);
            continue;
        }
        assert!(std::str::from_utf8(data).is_ok() && has_one_meaning(data));
        let value: Value = serde_json::from_slice(data).expect("what is taken can be read");
        let again = serde_json::to_vec(&value).expect("what was read can be written");
        check(document, &again).expect("what is taken is taken when it is written again");
        assert_eq!(serde_json::from_slice::<Value>(&again).expect("it can be read again"), value);
    }
}

/// Whether no object in a text has a key twice, and the outermost one no two that differ in case only, so that it makes no
/// difference which of them a program takes.
pub fn has_one_meaning(text: &[u8]) -> bool {
    serde_json::from_slice::<Keys>(text).is_ok_and(|Keys(keys)| {
        let folded =
            keys.iter().map(|key| key.to_lowercase().replace('\u{17f}', "s")).collect::<BTreeSet<_>>();
        folded.len() == keys.len()
    })
}

/// The keys of an object, or none where it is something else. Reading fails where any object in it has a key twice.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys: Vec<String> = Vec::new();
        // A number of any precision comes as an object of its own.
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(serde::de::Error::custom("a key is there twice"));
            }
            map.next_value::<Keys>()?;
            keys.push(key);
        }
        Ok(Keys(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
        while list.next_element::<Keys>()?.is_some() {}
        Ok(Keys(Vec::new()))
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Keys, D::Error> {
        IgnoredAny::deserialize(value).map(|_| Keys(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }
}
