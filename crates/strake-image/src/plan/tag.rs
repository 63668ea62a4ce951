//! Default tags for images.

use serde::Serialize;

use crate::digest::Digest;

/// Hexadecimal digits of the plan's hash that make a tag.
const LENGTH: usize = 32;

/// A tag that says what is planned.
pub(super) fn tag(conf: &impl Serialize) -> String {
    let text = serde_json::to_vec(conf).expect("a conf can be written");
    Digest::of(&text).hex().chars().take(LENGTH).collect()
}
