//! What is copied.

use std::path::PathBuf;
use std::time::SystemTime;

use strake_image::draft::{Draft, LayerDraft};
use strake_image::manifest::{Opened, Platform, check_platforms};
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::store::Store;

use crate::cli::Copy;
use crate::failure::Failure;
use crate::place::{self, Source, Target};
use crate::registry::Registries;
use crate::several::Several;
use crate::{finished, source};

/// What is copied: an image, or several together.
pub(super) struct Load {
    pub(super) images: Vec<Draft>,
    pub(super) several: Option<Several>,
}

/// Takes the arguments apart. Of an index each source is one argument, and the last argument is the only destination
/// unless `--` stands in front of several.
pub(super) fn places(arguments: &Copy) -> Result<(Vec<Source>, Vec<Target>), Failure> {
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
    let targets: Vec<Target> =
        targets.iter().map(|target| place::target(target)).collect::<Result<_, _>>()?;
    if sources.is_empty() {
        return Err(Failure::new("there is no image to copy")
            .hint("strake copy --index IMAGE… DEST makes an index of several images"));
    }
    let is_archive = |target: &&Target| !target.has_a_manifest();
    if let Some(archive) = targets.iter().find(is_archive).filter(|_| arguments.index) {
        return Err(Failure::new(format!("{archive} is a docker-archive, which has no place for an index"))
            .hint("make the index in docker://NAME, oci:DIR or oci-archive:FILE"));
    }
    Ok((sources, targets))
}

/// Opens what is copied.
pub(super) fn open(
    sources: &[Source],
    targets: &[Target],
    arguments: &Copy,
    registries: &Registries,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result<Load, Failure> {
    let store_root = &arguments.build.store_root;
    let mut images = Vec::with_capacity(sources.len());
    for source in sources {
        let place = match source {
            Source::Plan(image) => {
                source::no_platform(&arguments.one)?;
                let spec = source::spec(image, &arguments.plan, store_root, registries)?;
                let store = Store::new(spec.store_dir.clone(), store_root);
                images.push(source::draft(&spec, &store, now, registries, warnings)?);
                continue;
            }
            Source::Image(place) => place,
        };
        // With --index there may be confs and store paths, too, which the plan is for.
        if !arguments.index {
            source::only_arch(&arguments.plan, place)?;
        }
        let only = || targets.iter().all(|target| !target.has_a_manifest()).then(finished::machine);
        let wanted = arguments.one.wanted(arguments.plan.arch.as_deref()).or_else(only);
        match finished::opened(place, wanted.as_ref(), registries)? {
            Opened::Image(image) => images.push(finished::draft(place, *image)?),
            Opened::Index(index) if arguments.index => {
                let platforms: Vec<Platform> =
                    index.images.into_iter().map(|(platform, _)| platform).collect();
                return Err(Failure::several_platforms(place, &platforms));
            }
            Opened::Index(index) if index.images.is_empty() => {
                return Err(Failure::open(&place.to_string(), &OpenError::NoImage));
            }
            Opened::Index(index) => {
                let (platforms, opened): (Vec<_>, Vec<_>) = index.images.into_iter().unzip();
                for image in opened {
                    let image = ParsedImage { tags: index.frame.tags.clone(), ..image };
                    images.push(finished::draft(place, image)?);
                }
                let (frame, attachments) = (index.frame, index.attachments);
                let several = Some(Several::Given { frame, attachments, platforms });
                return Ok(Load { images, several });
            }
        }
    }
    let several = arguments.index.then_some(Several::New);
    if several.is_some() {
        let platforms: Vec<_> = images.iter().map(|draft| Platform::of(&draft.about)).collect();
        check_platforms(&platforms)?;
    }
    Ok(Load { images, several })
}

impl Load {
    /// The place of the image that goes where there is room for only one.
    pub(super) fn only(&self) -> Result<usize, Failure> {
        let Some(Several::Given { platforms, .. }) = &self.several else { return Ok(0) };
        let machine = finished::machine();
        let fits: Vec<usize> =
            (0..platforms.len()).filter(|&place| platforms[place].is_a(&machine)).collect();
        let plain = fits.iter().find(|&&place| platforms[place].variant.is_none());
        match (plain, &fits[..]) {
            (Some(place), _) | (None, [place]) => Ok(*place),
            _ => Err(Failure::several_platforms("the image", platforms)),
        }
    }

    /// What goes along with the images.
    pub(super) fn take_attachments(&mut self) -> Vec<LayerDraft> {
        match &mut self.several {
            Some(Several::Given { attachments, .. }) => std::mem::take(attachments),
            _ => Vec::new(),
        }
    }
}
