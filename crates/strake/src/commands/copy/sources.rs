//! The sources of a copy.

use std::path::PathBuf;

use strake_image::deliver::{Batch, BatchIndex};
use strake_image::manifest::{ParsedIndex, check_platforms};
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::{LayerDraft, Platform, PlatformPick};

use crate::cli::Copy;
use crate::failure::Failure;
use crate::finished;
use crate::place::{self, Destination, Place, Source};
use crate::source::{OpenedSource, Opener};

/// Takes the arguments apart. Of an index each source is one argument, and the last argument is the only destination
/// unless `--` stands in front of several.
pub(super) fn places(arguments: &Copy) -> Result<(Vec<Source>, Vec<Destination>), Failure> {
    let (sources, targets): (&[PathBuf], &[PathBuf]) = match &arguments.places[..] {
        places if !arguments.behind.is_empty() => (places, &arguments.behind),
        places if !arguments.index => {
            let (source, targets) = place::split(places)?;
            return Ok((vec![source], targets));
        }
        places => places.split_at(places.len() - 1),
    };
    let sources = if arguments.index {
        sources.iter().map(|source| place::source(std::slice::from_ref(source))).collect::<Result<_, _>>()?
    } else {
        vec![place::source(sources)?]
    };
    let targets: Vec<Destination> =
        targets.iter().map(|target| place::target(target)).collect::<Result<_, _>>()?;
    if sources.is_empty() {
        return Err(Failure::usage("there is no image to copy")
            .hint("strake copy --index IMAGE… DEST makes an index of several images"));
    }
    let takes_one = |target: &&Destination| !target.has_room_for_an_index();
    if let Some(one) = targets.iter().find(takes_one).filter(|_| arguments.index) {
        return Err(Failure::usage(format!("{one} has room for one image, not for an index"))
            .hint("make the index in docker://NAME, oci:DIR or oci-archive:FILE"));
    }
    Ok((sources, targets))
}

/// The platform that is wanted of finished images: if none is asked for and only one image has room in the targets, this
/// machine's. Images for an index are for several; there `--arch` says what store paths are for.
pub(super) fn platform(arguments: &Copy, targets: &[Destination]) -> Option<PlatformPick> {
    let only = || targets.iter().all(|target| !target.has_room_for_an_index()).then(finished::machine);
    let wanted = arguments.one.wanted(arguments.plan.arch.as_deref());
    if arguments.index { wanted.map(PlatformPick::preferred) } else { wanted.or_else(only) }
}

/// Opens what is copied.
pub(super) fn open(
    sources: Vec<Source>,
    arguments: &Copy,
    opener: &Opener<'_>,
    warnings: &mut Vec<String>,
) -> Result<Batch, Failure> {
    let mut images = Vec::with_capacity(sources.len());
    for source in sources {
        match opener.open(source, warnings)? {
            OpenedSource::Draft(draft) => images.push(draft),
            OpenedSource::Image(place, image) => images.push(finished::draft(&place, *image)?),
            OpenedSource::Index(place, index) if arguments.index => {
                let platforms: Vec<Platform> =
                    index.images.into_iter().map(|(platform, _)| platform).collect();
                return Err(Failure::several_platforms(place, &platforms));
            }
            OpenedSource::Index(place, index) => return of_index(&place, *index),
        }
    }
    if !arguments.index {
        return Ok(Batch { images, index: None });
    }
    let platforms: Vec<_> = images.iter().map(|draft| draft.about.platform()).collect();
    check_platforms(&platforms)?;
    Ok(Batch { images, index: Some(BatchIndex::New) })
}

/// All that an index lists.
fn of_index(place: &Place, index: ParsedIndex) -> Result<Batch, Failure> {
    let ParsedIndex { images: listed, attachments, plan } = index;
    if listed.is_empty() {
        return Err(Failure::open(&place.to_string(), &OpenError::NoImage));
    }
    let (mut images, mut platforms) = (Vec::with_capacity(listed.len()), Vec::with_capacity(listed.len()));
    for (platform, image) in listed {
        images.push(finished::draft(place, ParsedImage { tags: plan.tags.clone(), ..image })?);
        platforms.push(platform);
    }
    Ok(Batch { images, index: Some(BatchIndex::Given { plan: Box::new(plan), attachments, platforms }) })
}

/// The layers of all images, and what is attached to them.
pub(super) fn drafts(batch: &Batch) -> Vec<&[LayerDraft]> {
    let mut drafts: Vec<&[LayerDraft]> = batch.images.iter().map(|draft| &draft.layers[..]).collect();
    if let Some(BatchIndex::Given { attachments, .. }) = &batch.index {
        drafts.push(attachments);
    }
    drafts
}
