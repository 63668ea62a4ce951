//! Values of options, checked while the command line is read, so that errors name the option and nothing has been done before. The
//! errors are ends of sentences.

use std::ops::RangeInclusive;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use strake_image::Platform;
use strake_image::plan::{pair, port};
use strake_image::reference;
use strake_image::spec::Time;
use strake_plan::layering::MAX_LAYERS;

/// A time of creation or modification, as confs have it.
pub(crate) fn time(text: &str) -> Result<String, &'static str> {
    let is_time = Time::parse(text).is_some();
    is_time.then(|| text.to_owned()).ok_or("a time is now, or in ISO 8601 like 2024-12-31T23:59:59Z")
}

/// An image's name with its tag, which is `latest` where none is said.
pub(crate) fn repo_tag(text: &str) -> Result<String, &'static str> {
    const WHY: &str = "a name is lowercase, like hello:1.0 or registry.example.org/team/hello:1.0";
    reference::with_tag(text).ok_or(WHY)
}

/// An image's name without a tag.
pub(crate) fn image_name(text: &str) -> Result<String, &'static str> {
    const WHY: &str = "a name is lowercase and has no tag, like hello or registry.example.org/team/hello; --tag is for the tag";
    let is_one = reference::split_tag(text).1.is_none() && reference::with_tag(text).is_some();
    is_one.then(|| text.to_owned()).ok_or(WHY)
}

/// Numbers of a user and a group; a user's alone stands for both.
pub(crate) fn owner(text: &str) -> Result<(u32, u32), &'static str> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let ids = uid.parse().ok().zip(gid.parse().ok());
    ids.ok_or("an owner is UID or UID:GID, in numbers")
}

/// `NAME=VALUE`.
pub(crate) fn assignment(text: &str) -> Result<String, &'static str> {
    pair(text).map(|_| text.to_owned()).ok_or("it must be NAME=VALUE")
}

/// A port that a container listens on.
pub(crate) fn exposed(text: &str) -> Result<String, &'static str> {
    port(text).ok_or("a port is like 8080 or 53/udp")
}

/// A processor architecture.
pub(crate) fn architecture(text: &str) -> Result<String, &'static str> {
    let is_one = !text.contains('/') && Platform::parse(&format!("linux/{text}")).is_some();
    is_one.then(|| text.to_owned()).ok_or("an architecture is like amd64 or arm64, as Go calls it")
}

/// A platform.
pub(crate) fn platform(text: &str) -> Result<Platform, &'static str> {
    Platform::parse(text).ok_or("a platform is like linux/amd64 or linux/arm/v7")
}

/// A tag.
pub(crate) fn tag(text: &str) -> Result<String, &'static str> {
    reference::is_tag(text)
        .then(|| text.to_owned())
        .ok_or("a tag is like 1.0 or latest: letters, digits, _, . and -")
}

/// A number of layers that an image can have.
pub(crate) fn layers() -> impl TypedValueParser<Value = usize> {
    const LAYERS: RangeInclusive<u64> = 1..=MAX_LAYERS as u64;
    RangedU64ValueParser::new().range(LAYERS)
}
