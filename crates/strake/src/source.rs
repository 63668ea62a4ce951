//! Where an image comes from: what is planned, or what is finished.

use std::path::{Path, PathBuf};

use strake_image::manifest::{Opened, ParsedIndex};
use strake_image::parsed::ParsedImage;
use strake_image::spec::{Spec, Surroundings};
use strake_image::{Context, Draft, Platform, PlatformPick, Store};

use crate::cli::{Arch, OnePlatform, Plan};
use crate::failure::Failure;
use crate::finished;
use crate::named::{self, Named};
use crate::place::{self, Place, Source};
use crate::planning;
use crate::registry::Registries;

/// The text of a conf: one that is written down, or one that was planned just now.
pub(crate) struct ConfText {
    /// The name in messages; `None` of one that was planned.
    name: Option<String>,
    pub(crate) text: Vec<u8>,
}

impl ConfText {
    /// The conf, checked.
    pub(crate) fn spec(&self) -> Result<Spec, Failure> {
        Spec::parse(&self.text).map_err(|error| match &self.name {
            Some(name) => Failure::spec(name, &error),
            None => Failure::planned(&error),
        })
    }
}

/// The result of opening a source.
pub(crate) enum Meant {
    Conf(ConfText),
    Image(Place),
}

/// Finds out what a source is, and plans an image of store paths.
pub(crate) fn meant(
    source: Source,
    plan: &Plan,
    store_root: &Path,
    registries: &Registries,
) -> Result<Meant, Failure> {
    let named = match source {
        Source::Plan(arguments) => named::named(&arguments, store_root)?,
        Source::Image(place) => Named::Image(place),
    };
    Ok(match named {
        Named::Image(place) => Meant::Image(place),
        Named::Conf(name, _) if *plan != Plan::default() => {
            return Err(Failure::usage(format!("{name} is a conf, which has been planned"))
                .hint("give what the image is to be to strake plan, or store paths in place of the conf"));
        }
        Named::Conf(name, text) => Meant::Conf(ConfText { name: Some(name), text }),
        Named::StorePaths(roots) => {
            // Its warnings are printed when the image is drafted.
            let conf = planning::conf(plan, store_root, &roots, registries, &mut Vec::new())?;
            let text = serde_json::to_vec(&conf).expect("a conf can be written");
            Meant::Conf(ConfText { name: None, text })
        }
    })
}

/// The image's draft: everything that it is made of has been found. Warnings go into `warnings`.
pub(crate) fn draft(
    spec: &Spec,
    context: &Context,
    registries: &Registries,
    warnings: &mut Vec<String>,
) -> Result<Draft, Failure> {
    let user_name = |uid| uzers::get_user_by_uid(uid)?.name().to_str().map(str::to_owned);
    let group_name = |gid| uzers::get_group_by_gid(gid)?.name().to_str().map(str::to_owned);
    let store = &Store::new(spec.store_dir.clone(), context.store.root());
    let now = (context.clock)();
    let surroundings = Surroundings { store, now, user_name: &user_name, group_name: &group_name };
    let draft = spec.draft(&surroundings, |text| {
        let base = match &spec.described_base {
            Some(described) if finished::is_absent(text, store)? => {
                described.open(text).map_err(|error| Failure::base(text, &error))?
            }
            _ => finished::base(text, &spec.architecture, store, registries)?,
        };
        warnings.extend(finished::not_pinned(text));
        warnings.extend(finished::other_platform(&base, &spec.architecture));
        Ok::<_, Failure>(base)
    })?;
    // Read errors are reported where the content is needed.
    warnings.extend(finished::etc_links(&draft.etc_links().unwrap_or_default()));
    Ok(draft)
}

/// A source that was opened.
pub(crate) enum OpenedSource {
    /// An image of a conf or of store paths.
    Draft(Draft),
    /// A finished image.
    Image(Place, Box<ParsedImage>),
    /// Finished images for several platforms.
    Index(Place, Box<ParsedIndex>),
}

/// How sources are opened.
pub(crate) struct Opener<'o> {
    pub(crate) context: &'o Context,
    pub(crate) registries: &'o Registries,
    /// For store paths: what the image is to be.
    pub(crate) plan: &'o Plan,
    pub(crate) one: &'o OnePlatform,
    /// The platform of a finished image; `None`: all for which it is there.
    pub(crate) platform: Option<PlatformPick>,
    /// Whether the plan may be for another of several sources.
    pub(crate) is_one_of_several: bool,
}

impl Opener<'_> {
    /// Opens a source, of whatever form.
    pub(crate) fn open(&self, source: Source, warnings: &mut Vec<String>) -> Result<OpenedSource, Failure> {
        Ok(match meant(source, self.plan, self.context.store.root(), self.registries)? {
            Meant::Conf(conf) => {
                no_platform(self.one)?;
                OpenedSource::Draft(draft(&conf.spec()?, self.context, self.registries, warnings)?)
            }
            Meant::Image(place) => {
                if !self.is_one_of_several {
                    only_arch(self.plan, &place)?;
                }
                match finished::opened(&place, self.platform.as_ref(), self.registries)? {
                    Opened::Image(image) => OpenedSource::Image(place, image),
                    Opened::Index(index) => OpenedSource::Index(place, index),
                }
            }
        })
    }

    /// Opens one image, for this machine's platform unless another is asked for.
    pub(crate) fn open_one(
        mut self,
        source: &[PathBuf],
        warnings: &mut Vec<String>,
    ) -> Result<Draft, Failure> {
        self.platform = self.platform.or_else(|| Some(finished::machine()));
        match self.open(place::source(source)?, warnings)? {
            OpenedSource::Draft(draft) => Ok(draft),
            OpenedSource::Image(place, image) => finished::draft(&place, *image),
            OpenedSource::Index(place, index) => {
                let platforms: Vec<Platform> =
                    index.images.into_iter().map(|(platform, _)| platform).collect();
                Err(Failure::several_platforms(place, &platforms))
            }
        }
    }
}

/// Opens the only source of a command. Of a finished image that is there for several platforms all are opened, unless
/// `arch` says which.
pub(crate) fn open_source(
    source: &[PathBuf],
    arch: &Arch,
    context: &Context,
    registries: &Registries,
    warnings: &mut Vec<String>,
) -> Result<OpenedSource, Failure> {
    let plan = &plan_for(arch.arch.as_deref());
    let (one, platform, is_one_of_several) = (&arch.one, arch.wanted(), false);
    let opener = Opener { context, registries, plan, one, platform, is_one_of_several };
    opener.open(place::source(source)?, warnings)
}

/// A plan that says nothing but the architecture.
pub(crate) fn plan_for(arch: Option<&str>) -> Plan {
    Plan { arch: arch.map(str::to_owned), ..Plan::default() }
}

/// Makes sure that no platform is asked of something that is made for just one.
fn no_platform(one: &OnePlatform) -> Result<(), Failure> {
    match &one.platform {
        None => Ok(()),
        Some(_) => {
            Err(Failure::usage("a conf and store paths are for one platform; --platform cannot choose")
                .hint("--arch says what an image of store paths is for"))
        }
    }
}

/// Makes sure that nothing is asked of a finished image that only a plan can say.
fn only_arch(plan: &Plan, place: &Place) -> Result<(), Failure> {
    if *plan == plan_for(plan.arch.as_deref()) {
        return Ok(());
    }
    Err(Failure::usage(format!("{place} is a finished image, which cannot be planned"))
        .hint("give what the image is to be with store paths in place of the image"))
}
