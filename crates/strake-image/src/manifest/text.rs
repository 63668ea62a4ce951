//! The texts of manifests and indexes, read so that no program takes the one for the other.

use data_encoding::BASE64;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::media_type::{Format, MediaType};
use crate::parsed::{OpenError, malformed, parse, shapes};
use crate::platform::Platform;

/// The only version of manifests and indexes that have media types.
const VERSION: i64 = 2;

/// The stated type of a manifest or an index, and the descriptors that it lists.
pub(super) struct ManifestText {
    pub(super) media_type: MediaType,
    pub(super) lists: Lists,
}

/// The descriptors that are listed.
pub(super) enum Lists {
    /// The parts of an image, or of something else.
    Parts(Box<ManifestParts>),
    /// Manifests and indexes, each of which can be read with [`entry`].
    Entries(Vec<Value>),
}

/// The descriptors that a manifest lists.
pub(super) struct ManifestParts {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// All that tells a manifest from an index.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyText {
    schema_version: Option<i64>,
    media_type: Option<String>,
    config: Option<Value>,
    layers: Option<Vec<Value>>,
    manifests: Option<Vec<Value>>,
    subject: Option<Value>,
    fs_layers: Option<IgnoredAny>,
    history: Option<IgnoredAny>,
    blobs: Option<IgnoredAny>,
}

impl ManifestText {
    /// Reads a manifest or an index that is listed as this.
    pub(super) fn read(listed: &Descriptor, text: &[u8]) -> Result<Self, OpenError> {
        let name = listed.digest.to_string();
        let read = Self::of(&name, &listed.media_type, text)?;
        let (is_index, listed_as) = (read.media_type.index_format().is_some(), &listed.media_type);
        // Of a manifest it is said when the image is looked at.
        if *listed_as != read.media_type && !listed_as.is_empty() && (is_index || listed.is_index()) {
            return Err(listed_otherwise(&name, listed_as, &read.media_type));
        }
        Ok(read)
    }

    /// Reads one that is meant to be of a type, which it may say itself. `name` is what the error calls it.
    fn of(name: &str, meant: &MediaType, text: &[u8]) -> Result<Self, OpenError> {
        let text: AnyText = parse(name, &shapes::MANIFEST, text)?;
        if text.schema_version != Some(VERSION) {
            let found = text.schema_version.map_or("none".to_owned(), |version| version.to_string());
            return Err(contradiction(format!("{name} has the schemaVersion {found}, not {VERSION}")));
        }
        let media_type = text.media_type.map_or_else(|| meant.clone(), MediaType::from);
        check_spelling(name, &media_type)?;
        let is_index = media_type.index_format().is_some();
        if !is_index && media_type.manifest_format().is_none() {
            return Err(OpenError::NotAnImage(media_type));
        }
        let others = [
            ("config", is_index && text.config.is_some()),
            ("layers", is_index && text.layers.is_some()),
            ("manifests", !is_index && text.manifests.is_some()),
            ("fsLayers", text.fs_layers.is_some()),
            ("history", text.history.is_some()),
            ("blobs", text.blobs.is_some()),
        ];
        if let Some((key, _)) = others.iter().find(|(_, is_there)| *is_there) {
            let media_type = media_type.as_str();
            let text = format!("{name} is of the type {media_type:?} and has the key {key:?} of another");
            return Err(contradiction(text));
        }
        // It need not be here, nor have a digest of a kind that is known.
        match text.subject.map_or(Ok(()), |subject| descriptor(name, subject).map(drop)) {
            Ok(()) | Err(OpenError::BlobName(_)) => {}
            Err(error) => return Err(error),
        }
        let lists = if is_index {
            Lists::Entries(text.manifests.unwrap_or_default())
        } else {
            let config = text.config.ok_or_else(|| contradiction(format!("{name} has no config")))?;
            let layers = text.layers.unwrap_or_default().into_iter();
            let layers = layers.map(|value| descriptor(name, value)).collect::<Result<_, _>>()?;
            Lists::Parts(Box::new(ManifestParts { config: descriptor(name, config)?, layers }))
        };
        Ok(Self { media_type, lists })
    }
}

/// The descriptors that a layout's `index.json` lists. `name` is its name in errors.
pub(crate) fn layout_entries(name: &str, text: &[u8]) -> Result<Vec<Value>, OpenError> {
    let read = ManifestText::of(name, &Format::Oci.index(), text)?;
    match read.lists {
        Lists::Entries(entries) => Ok(entries),
        Lists::Parts(_) => Err(listed_otherwise(name, &Format::Oci.index(), &read.media_type)),
    }
}

/// A manifest or an index in an index.
pub(crate) fn entry(name: &str, value: Value) -> Result<Descriptor, OpenError> {
    let entry = descriptor(name, value)?;
    if entry.media_type.is_empty() {
        return Err(contradiction(format!("{name} lists {} without a mediaType", entry.digest)));
    }
    Ok(entry)
}

/// A descriptor in a document. `name` is what the error calls that.
fn descriptor(name: &str, value: Value) -> Result<Descriptor, OpenError> {
    if let Some(digest) = value.get("digest").and_then(Value::as_str) {
        Digest::parse(digest).map_err(OpenError::BlobName)?;
    }
    let data = value.get("data").and_then(Value::as_str).map(|data| BASE64.decode(data.as_bytes()));
    let mut descriptor: Descriptor =
        serde_json::from_value(value).map_err(|error| malformed(name, error.into()))?;
    check_spelling(name, &descriptor.media_type)?;
    let is_it =
        |data: &Vec<u8>| data.len() as u64 == descriptor.size && Digest::of(data) == descriptor.digest;
    if data.is_some_and(|data| !data.as_ref().is_ok_and(is_it)) {
        return Err(contradiction(format!("{name} lists {} with other data", descriptor.digest)));
    }
    descriptor.platform = descriptor.platform.filter(Platform::is_said);
    Ok(descriptor)
}

/// Makes sure that a media type is not one that some programs take for another.
fn check_spelling(name: &str, media_type: &MediaType) -> Result<(), OpenError> {
    match media_type.known_as() {
        Some(known) if known != *media_type => {
            let (said, known) = (media_type.as_str(), known.as_str());
            Err(contradiction(format!(
                "{name} has the media type {said:?}, which some programs take for {known:?}"
            )))
        }
        _ => Ok(()),
    }
}

pub(super) fn listed_otherwise(name: &str, listed: &MediaType, said: &MediaType) -> OpenError {
    let (listed, said) = (listed.as_str(), said.as_str());
    contradiction(format!("{name} is listed as {listed:?}, and says that it is {said:?}"))
}

pub(super) fn contradiction(text: String) -> OpenError {
    OpenError::Contradiction(text)
}
