//! An image that somebody else has made.

use super::config::Config;
use super::error::OpenError;
use crate::draft::{About, Contents, Draft, Given, LayerDraft, Origin};
use crate::media_type::MediaType;
use crate::platform::Platform;

/// An image that somebody else has made. Its layers' bytes have not been looked at.
#[derive(Debug)]
pub struct ParsedImage {
    /// Its layers, lowest first.
    pub layers: Vec<LayerDraft>,
    /// Its config.
    pub config: Config,
    /// The names that it has there.
    pub tags: Vec<String>,
    /// What lists it there: the text of its manifest, or of a docker-archive's `manifest.json`.
    pub manifest: Vec<u8>,
    /// Whether that is the text of a manifest that can stand in an OCI layout.
    pub has_oci_manifest: bool,
    /// The stated media type of each layer; empty where none is stated.
    pub media_types: Vec<MediaType>,
    /// Defects that do not prevent reading it.
    pub problems: Vec<Fault>,
}

/// Something that is wrong with an image.
#[derive(Debug)]
pub struct Fault {
    /// The place of the layer, from 0, of which the blob is wrong, so that it counts as not being there.
    pub blob_of: Option<usize>,
    /// The reason.
    pub error: OpenError,
    /// Whether it keeps nobody from copying the image: what is read here is what is said.
    pub is_tolerated: bool,
}

impl Fault {
    /// Parts of the image say different things.
    pub(crate) fn contradiction(text: String) -> Self {
        OpenError::Contradiction(text).into()
    }

    /// Something that only those mind who read the image in another way.
    pub(crate) fn tolerated(error: OpenError) -> Self {
        Self { is_tolerated: true, ..error.into() }
    }
}

impl From<OpenError> for Fault {
    /// Something that is wrong with no layer in particular.
    fn from(error: OpenError) -> Self {
        Self { blob_of: None, error, is_tolerated: false }
    }
}

impl ParsedImage {
    /// Makes sure that the image is for this platform, going by its config. Where that does not say the variant of `arm`, it may
    /// be any.
    pub fn check_platform(&self, wanted: &Platform) -> Result<(), OpenError> {
        let said = &self.config.platform;
        if said.is_a(wanted) || said.differences(wanted).is_empty() && said.is_said() {
            return Ok(());
        }
        let there =
            if said.is_said() { said.to_string() } else { "one that does not say for which".to_owned() };
        Err(OpenError::NoPlatform { wanted: wanted.to_string(), there })
    }

    /// The image as one that is to be copied as it is.
    pub fn into_draft(self) -> Draft {
        let mut layers = self.layers;
        let mut history = self.config.history.into_iter();
        for layer in &mut layers {
            layer.origin = Origin::Copied;
            layer.contents = Contents::of_history(history.next().unwrap_or_default());
        }
        let manifest = self.has_oci_manifest.then_some(self.manifest);
        Draft { layers, about: About::Given(Given { config: self.config.text, tags: self.tags, manifest }) }
    }
}
