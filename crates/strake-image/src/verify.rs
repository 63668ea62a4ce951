//! Whether an image is what it claims to be: every size, digest, diff id, order and name.

use std::collections::HashSet;
use std::convert::Infallible;

use crate::archive::NamedDigest;
use crate::codec::Codec;
use crate::context::Context;
use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft};
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::layer::Layer;
use crate::manifest::ParsedIndex;
use crate::media_type::MediaType;
use crate::parsed::{OpenError, ParsedImage};
use crate::reference;

/// Something that is not as it is said to be.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// See [`OpenError`].
    #[error("the image {}", chain(.0))]
    Image(OpenError),
    /// A layer cannot be read, or is another than is said.
    #[error("layer {number}: {}", chain(.source_error))]
    Layer {
        /// Its place, from 1.
        number: usize,
        /// The reason.
        source_error: Error,
    },
    /// A layer is named by a digest that it does not have.
    #[error("layer {number}: the member {name:?} has the digest {found}")]
    Misnamed {
        /// Its place, from 1.
        number: usize,
        /// Its name.
        name: String,
        /// Its digest.
        found: Digest,
    },
    /// A layer's bytes are not in the image.
    #[error("layer {number}: the blob {digest} is missing")]
    Missing {
        /// Its place, from 1.
        number: usize,
        /// Its digest.
        digest: Digest,
    },
    /// Something that stands beside the images of an index cannot be read, or is another than is said.
    #[error("beside the images: {}", chain(.0))]
    Attachment(Error),
    /// Something that stands beside the images of an index is not there.
    #[error("beside the images: the blob {0} is missing")]
    MissingAttachment(Digest),
    /// A layer is compressed in another way than its media type says.
    #[error("layer {number}: is {found}, and its media type is {said:?}")]
    MediaType {
        /// Its place, from 1.
        number: usize,
        /// How it is compressed.
        found: &'static str,
        /// The stated value.
        said: String,
    },
    /// The history speaks of more layers than there are, or of fewer.
    #[error("the history speaks of {history} layers, and the image has {layers}")]
    History {
        /// In the history.
        history: usize,
        /// In the image.
        layers: usize,
    },
    /// The config does not say for what platform the image is.
    #[error("the config does not say its architecture and os")]
    NoPlatform,
    /// An index lists no image.
    #[error("it lists no image")]
    NoImage,
    /// Something is wrong with one of the images that an index lists.
    #[error("{platform}: {problem}")]
    Listed {
        /// The image's platform.
        platform: String,
        /// The reason.
        problem: Box<Problem>,
    },
    /// A name is none that an image can have.
    #[error("{0:?} is not a name that an image can have")]
    Name(String),
}

/// Reads the whole image and holds it against all that it says of itself.
pub fn verify(image: ParsedImage, context: &Context) -> Vec<Problem> {
    verify_noting(image, context, &mut Vec::new())
}

/// The same. Those of `/etc`, `/etc/passwd` and `/etc/group` that are absolute symbolic links go into `etc_links`.
pub fn verify_noting(
    image: ParsedImage,
    context: &Context,
    etc_links: &mut Vec<&'static str>,
) -> Vec<Problem> {
    let (mut problems, mut etc) = (Vec::new(), Vec::new());
    let layers = image.layers.len();
    if let Some(history) = image.config.history_layers.filter(|history| *history != layers) {
        problems.push(Problem::History { history, layers });
    }
    if !image.config.platform.is_said() {
        problems.push(Problem::NoPlatform);
    }
    problems.extend(image.config.check_container().err().map(Problem::Image));
    let is_name = |tag: &str| {
        if image.has_oci_manifest { reference::is_ref_name(tag) } else { reference::is_repo_tag(tag) }
    };
    problems.extend(image.tags.iter().filter(|tag| !is_name(tag)).cloned().map(Problem::Name));
    let wrong: HashSet<usize> = image.problems.iter().filter_map(|fault| fault.blob_of).collect();
    problems.extend(image.problems.into_iter().map(|fault| Problem::Image(fault.error)));
    let mut number = 0;
    let Ok(()) = context.describe_each(image.layers, |layer| {
        let said = image.media_types.get(number);
        number += 1;
        match layer {
            Err(source_error) => problems.push(Problem::Layer { number, source_error }),
            // That it is not the one that is said has been found already.
            Ok(layer) if layer.is_elsewhere() && wrong.contains(&(number - 1)) => {}
            Ok(layer) if layer.is_elsewhere() => {
                problems.push(Problem::Missing { number, digest: layer.stored.digest });
            }
            Ok(layer) => {
                etc.push(layer.etc_changes());
                problems.extend(said.and_then(|said| other_codec(number, layer.stored.codec(), said)));
                problems.extend(misnamed(number, &layer));
            }
        }
        Ok::<(), Infallible>(())
    });
    for link in EtcChanges::links(etc) {
        if !etc_links.contains(&link) {
            etc_links.push(link);
        }
    }
    problems
}

/// Reads all that an index lists.
pub fn verify_index(index: ParsedIndex, context: &Context) -> Vec<Problem> {
    verify_index_noting(index, context, &mut Vec::new())
}

/// The same. What of any of its images [`verify_noting`] notes goes into `etc_links`.
pub fn verify_index_noting(
    index: ParsedIndex,
    context: &Context,
    etc_links: &mut Vec<&'static str>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if index.images.is_empty() {
        problems.push(Problem::NoImage);
    }
    for (platform, image) in index.images {
        let platform = reference::list(&[&platform.to_string()]);
        let found = verify_noting(image, context, etc_links).into_iter().map(Box::new);
        problems.extend(found.map(|problem| Problem::Listed { platform: platform.clone(), problem }));
    }
    problems.extend(verify_attachments(index.attachments, context));
    problems
}

/// Reads what stands beside the images of an index.
fn verify_attachments(attachments: Vec<LayerDraft>, context: &Context) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Ok(()) = context.describe_each(attachments, |blob| {
        problems.extend(match blob {
            Err(error) => Some(Problem::Attachment(error)),
            Ok(blob) => blob.is_elsewhere().then_some(Problem::MissingAttachment(blob.stored.digest)),
        });
        Ok::<(), Infallible>(())
    });
    problems
}

fn other_codec(number: usize, found: Option<Codec>, said: &MediaType) -> Option<Problem> {
    // A type that is no layer's has been reported.
    let differs = said.layer().is_some_and(|layer| layer.codec != found);
    let found = found.map_or("not compressed", Codec::name);
    differs.then(|| Problem::MediaType { number, found, said: said.to_string() })
}

fn misnamed(number: usize, layer: &Layer) -> Option<Problem> {
    let Contents::Base(name) = &layer.draft.contents else { return None };
    let found = layer.stored.digest;
    let is_wrong = NamedDigest::of(name).is_some_and(|said| !said.fits(found, layer.diff_id));
    is_wrong.then(|| Problem::Misnamed { number, name: name.clone(), found })
}

/// An error with all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
