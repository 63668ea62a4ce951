//! Delivers images to targets: one way for every source and every target.
//!
//! Layers come in order, while the next ones are still being hashed. Each is read once, and compressed once, for all targets
//! that take it. A target that asks for what it lacks gets the image when all of its layers are described; with other
//! targets beside it, layers are offered to it as well, so that they are read once for all.
//!
//! Manifests are made here and nowhere else, once for all targets.

mod batch;
mod known;
mod layers;
mod preview;

pub use batch::{Batch, BatchIndex};
pub use preview::{MissingBlob, Preview, preview};

use crate::compression::Pool;
use crate::content::Content;
use crate::context::Context;
use crate::document::Document;
use crate::draft::{Draft, LayerDraft};
use crate::event::{Event, Outcome, Report};
use crate::image::{Image, ImageLayer};
use crate::layer::Layer;
use crate::manifest::{Listing, of_image};
use crate::target::{ListedImage, Target, TargetError};
use known::KnownBlobs;

/// How images are delivered.
#[derive(Default)]
pub struct Options {
    /// Compresses layers that are not compressed; `None`: they go as they are.
    pub pool: Option<Pool>,
    /// Whether a layer that a target lists uncompressed already stays so there, though the others are compressed.
    pub keeps_plain: bool,
    /// How images are listed.
    pub listing: Listing,
    /// The place of the image for targets that have room for only one of those that an index lists; `None`: they take all.
    pub only: Option<usize>,
}

/// The result of a delivery.
#[derive(Debug)]
pub struct Delivered {
    /// The images.
    pub images: Vec<Image>,
    /// The document that the names refer to: an index, or the manifest of the last image.
    pub top: Document,
    /// Whether that is an index.
    pub is_index: bool,
}

/// Targets of any kind.
pub type Targets<'t> = [Box<dyn Target + 't>];

/// Delivers images, and what is attached to them, to all targets.
///
/// # Errors
///
/// The first failure ends it. Files that are not finished are gone then, and no name leads to anything that is not whole.
pub fn deliver(
    context: &Context,
    batch: Batch,
    targets: &mut Targets<'_>,
    options: &Options,
    report: &Report<'_>,
) -> Result<Delivered, TargetError> {
    let delivery = Delivery { context, options, report, is_index: batch.index.is_some() };
    let Batch { mut images, index } = batch;
    let (index, mut attachments) = index.map_or((None, Vec::new()), BatchIndex::split);
    if !targets.iter().any(|target| target.asks()) {
        for (place, draft) in images.iter_mut().enumerate() {
            delivery.leave_out(&mut draft.layers, &delivery.takers(targets, Some(place)), true)?;
        }
        delivery.leave_out(&mut attachments, &delivery.takers(targets, None), false)?;
    }
    let (mut delivered, mut manifests) = (Vec::with_capacity(images.len()), Vec::new());
    for (place, draft) in images.into_iter().enumerate() {
        let (image, manifest) = delivery.image(draft, &mut delivery.takers(targets, Some(place)))?;
        delivered.push(image);
        manifests.push(manifest);
    }
    delivery.attachments(attachments, &mut delivery.takers(targets, None))?;
    let (inside, top) = match &index {
        None => (Vec::new(), manifests.pop().ok_or(TargetError::Add(crate::parsed::OpenError::NoImage))?),
        Some(index) => index.list(&delivered, &manifests, options.listing.format)?,
    };
    let with_names = delivered.get(options.only.unwrap_or(0));
    let names = with_names.map(|image| image.tags.clone()).unwrap_or_default();
    for target in targets {
        if delivery.is_index && target.has_manifests() {
            target.expects(&top)?;
            inside.iter().try_for_each(|manifest| target.manifest(manifest))?;
        }
        target.finish(&top, &names)?;
    }
    Ok(Delivered { images: delivered, top, is_index: delivery.is_index })
}

/// The data that all steps share.
#[derive(Clone, Copy)]
struct Delivery<'d> {
    context: &'d Context,
    options: &'d Options,
    report: &'d Report<'d>,
    is_index: bool,
}

/// The targets that take something.
type Takers<'r, 't> = Vec<&'r mut (dyn Target + 't)>;

impl Delivery<'_> {
    /// The targets that take the image in this place. `None`: what belongs to no image, for which only targets with manifests
    /// have room.
    fn takers<'r, 't>(&self, targets: &'r mut Targets<'t>, place: Option<usize>) -> Takers<'r, 't> {
        let is_taken = place.is_some() && self.options.only.is_none_or(|only| Some(only) == place);
        let takes = |target: &&mut Box<dyn Target + 't>| is_taken || target.has_manifests();
        targets.iter_mut().filter(takes).map(|target| &mut **target).collect()
    }

    /// Delivers an image, but for its names.
    fn image(&self, draft: Draft, takers: &mut Takers<'_, '_>) -> Result<(Image, Document), TargetError> {
        let Draft { layers: drafts, about } = draft;
        let (mut layers, mut open) = (Vec::with_capacity(drafts.len()), Vec::new());
        self.context.describe(drafts, |layer| {
            (self.report)(Event::Layer(&layer));
            let written = self.layer(&layer, takers, self.options.pool.as_ref())?;
            let layer = ImageLayer::as_it_is(layer);
            if let Some(descriptor) = written {
                layers.push(ImageLayer { descriptor, ..layer });
            } else {
                open.push(layers.len());
                layers.push(layer);
            }
            Ok::<(), TargetError>(())
        })?;
        let mut image = Image::new(layers, about)?;
        let manifest = self.listed(&mut image, &open, takers)?;
        Ok((image, manifest))
    }

    /// Has targets that ask take what they lack of an image, then lists it in all targets. `open` are the places of layers
    /// that are to be compressed and of which nothing was written yet.
    fn listed(
        &self,
        image: &mut Image,
        open: &[usize],
        takers: &mut Takers<'_, '_>,
    ) -> Result<Document, TargetError> {
        let pool = self.options.pool.as_ref();
        let known = KnownBlobs::find(self.context, image, open, self.options, takers)?;
        for (place, descriptor) in known.descriptors() {
            image.layers[place].descriptor = descriptor;
        }
        let is_known = known.is_complete(open);
        let early = is_known.then(|| of_image(image, &self.options.listing));
        let mut is_there = vec![false; takers.len()];
        let made = {
            let contents = known.contents(self.context, image, open, pool);
            let contents: Vec<&dyn Content> = contents.iter().map(|content| &**content).collect();
            let mut made = None;
            for (target, is_there) in takers.iter_mut().zip(&mut is_there).filter(|(target, _)| target.asks())
            {
                if let Some(manifest) = &early {
                    if !self.is_index {
                        target.expects(manifest)?;
                    }
                    if target.has(manifest, !self.is_index)? {
                        *is_there = true;
                        self.had(&target.name(), &contents);
                        continue;
                    }
                }
                made = Some(target.send(&contents, self.report)?);
            }
            made
        };
        if let (Some(made), None) = (made, &early) {
            for (layer, descriptor) in image.layers.iter_mut().zip(made) {
                layer.descriptor = descriptor;
            }
        }
        let manifest = early.unwrap_or_else(|| of_image(image, &self.options.listing));
        let contents = known.contents(self.context, image, open, pool);
        let contents: Vec<&dyn Content> = contents.iter().map(|content| &**content).collect();
        let listed = ListedImage { image, manifest: &manifest, contents: &contents, is_top: !self.is_index };
        for (target, _) in takers.iter_mut().zip(is_there).filter(|(_, is_there)| !is_there) {
            if listed.is_top {
                target.expects(&manifest)?;
            }
            target.image(&listed, self.report)?;
        }
        Ok(manifest)
    }

    /// All of it was there.
    fn had(&self, target: &str, contents: &[&dyn Content]) {
        for content in contents {
            let Some(descriptor) = content.descriptor() else { continue };
            let (title, outcome) = (content.title(), Outcome::Had);
            let took = std::time::Duration::ZERO;
            (self.report)(Event::Blob { target, title, descriptor, outcome, took });
        }
    }

    /// Delivers what is attached to images. Nothing is known of it but its digest, so it stays as it is.
    fn attachments(&self, drafts: Vec<LayerDraft>, takers: &mut Takers<'_, '_>) -> Result<(), TargetError> {
        let mut blobs: Vec<Layer> = Vec::with_capacity(drafts.len());
        self.context.describe(drafts, |blob| {
            (self.report)(Event::Layer(&blob));
            self.layer(&blob, takers, None)?;
            blobs.push(blob);
            Ok::<(), TargetError>(())
        })?;
        let contents: Vec<_> = blobs.iter().map(|blob| blob.content(self.context).hashed()).collect();
        let contents: Vec<&dyn Content> = contents.iter().map(|content| content as &dyn Content).collect();
        for target in takers.iter_mut().filter(|target| target.asks()) {
            target.send(&contents, self.report)?;
        }
        Ok(())
    }
}
