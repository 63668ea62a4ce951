//! A preview of the bytes that a delivery would send, for targets that ask for what they lack.

use super::known::KnownBlobs;
use super::{Batch, BatchIndex, Options, Targets};
use crate::content::Content;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::draft::LayerDraft;
use crate::event::{Event, Report};
use crate::image::{Image, ImageLayer};
use crate::layer::Layer;
use crate::manifest::of_image;
use crate::target::{Target, TargetError};

/// The bytes that would be sent of an image, or of an index and its attachments.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The target.
    pub target: String,
    /// Whether all of it is there already, under the names that it would get.
    pub is_there: bool,
    /// The blobs that would be sent.
    pub missing: Vec<MissingBlob>,
}

/// A blob that a target lacks.
#[derive(Clone, Debug)]
pub struct MissingBlob {
    /// Its descriptor, if that is known without making it.
    pub descriptor: Option<Descriptor>,
    /// About its size, in bytes.
    pub weight: u64,
    /// The name in messages.
    pub title: String,
}

/// Describes images and compares them with what targets have. Nothing is sent.
pub fn preview(
    context: &Context,
    batch: Batch,
    targets: &mut Targets<'_>,
    options: &Options,
    report: &Report<'_>,
) -> Result<Vec<Preview>, TargetError> {
    let (index, attachments) = batch.index.map_or((None, Vec::new()), BatchIndex::split);
    let describe = |drafts: Vec<LayerDraft>| {
        let mut layers: Vec<Layer> = Vec::with_capacity(drafts.len());
        context.describe(drafts, |layer| {
            report(Event::Layer(&layer));
            layers.push(layer);
            Ok::<(), TargetError>(())
        })?;
        Ok::<_, TargetError>(layers)
    };
    let mut images = Vec::with_capacity(batch.images.len());
    for draft in batch.images {
        let layers = describe(draft.layers)?.into_iter().map(ImageLayer::as_it_is).collect();
        images.push(Image::new(layers, draft.about)?);
    }
    let attached = describe(attachments)?;
    let mut previews = Vec::new();
    for target in targets {
        let mut manifests = Vec::with_capacity(images.len());
        for image in &mut images {
            for one in &mut image.layers {
                one.descriptor = one.layer.stored.clone();
            }
            let pool = options.pool.as_ref();
            let is_open = |place: &usize| pool.is_some() && image.layers[*place].layer.is_plain();
            let open: Vec<usize> = (0..image.layers.len()).filter(is_open).collect();
            let known = KnownBlobs::find(context, image, &open, options, &vec![&mut **target])?;
            known.descriptors().for_each(|(place, blob)| image.layers[place].descriptor = blob);
            let manifest = known.is_complete(&open).then(|| of_image(image, &options.listing));
            let is_top = index.is_none();
            let is_there = match &manifest {
                None => false,
                Some(manifest) => {
                    if is_top {
                        target.expects(manifest)?;
                    }
                    target.has(manifest, is_top)?
                }
            };
            let contents = known.contents(context, image, &open, pool);
            let contents: Vec<&dyn Content> = contents.iter().map(|content| &**content).collect();
            previews.push(compared(&**target, &contents, is_there)?);
            manifests.extend(manifest);
        }
        // Of manifests that are not made yet no index can be made.
        if let Some(index) = index.as_ref().filter(|_| manifests.len() == images.len()) {
            let (_, top) = index.list(&images, &manifests, options.listing.format)?;
            target.expects(&top)?;
            let contents: Vec<_> = attached.iter().map(|blob| blob.content(context)).collect();
            let contents: Vec<&dyn Content> =
                contents.iter().map(|content| content as &dyn Content).collect();
            let is_there = target.has(&top, true)?;
            previews.push(compared(&**target, &contents, is_there)?);
        }
    }
    Ok(previews)
}

fn compared(target: &dyn Target, contents: &[&dyn Content], is_there: bool) -> Result<Preview, TargetError> {
    let mut preview = Preview { target: target.name(), is_there, missing: Vec::new() };
    if is_there {
        return Ok(preview);
    }
    let known: Vec<Descriptor> =
        contents.iter().filter_map(|content| content.descriptor().cloned()).collect();
    let mut missing = target.missing(&known)?.into_iter();
    for content in contents {
        let descriptor = content.descriptor().cloned();
        if descriptor.is_none() || missing.next() == Some(true) {
            let (weight, title) = (content.weight(), content.title().to_owned());
            preview.missing.push(MissingBlob { descriptor, weight, title });
        }
    }
    Ok(preview)
}
