//! Where an image comes from: what is planned, or what is finished.

use std::path::{Path, PathBuf};

use strake_image::manifest::{Opened, ParsedIndex};
use strake_image::parsed::ParsedImage;
use strake_image::plan::store_path;
use strake_image::spec::{Spec, Surroundings};
use strake_image::{Context, Draft, Platform, PlatformPick, Store};

use crate::cli::{Arch, OnePlatform, Plan};
use crate::failure::Failure;
use crate::place::{Place, Source};
use crate::registry::Registries;
use crate::{finished, input, place, planning, references};

/// The image that is meant: a conf, or what is planned of store paths.
pub(crate) fn spec(
    image: &[PathBuf],
    plan: &Plan,
    store_root: &Path,
    registries: &Registries,
) -> Result<Spec, Failure> {
    let store = references::usual_store(store_root);
    let conf = match image {
        [argument] => conf_file(&store, argument)?,
        _ => None,
    };
    if let Some(file) = conf {
        let name = input::name(&file);
        if *plan != Plan::default() {
            return Err(Failure::usage(format!("{name} is a conf, which has been planned"))
                .hint("give what the image is to be to strake plan, or store paths in place of the conf"));
        }
        return Spec::parse(&input::read(&file)?).map_err(|error| Failure::spec(&name, &error));
    }
    let conf = planning::conf(plan, store_root, image, registries)?;
    let text = serde_json::to_vec(&conf).expect("a conf can be written");
    Spec::parse(&text).map_err(|error| Failure::planned(&error))
}

/// The conf's place, if the argument is one: stdin, a file outside the store, or a store path that is a JSON file.
fn conf_file(store: &Store, argument: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = if input::is_stdin(argument) { None } else { store_path(store, argument)? };
    let Some(path) = path else { return Ok(Some(argument.to_owned())) };
    let real = store.locate(Path::new(path.as_str()));
    let json = Path::new(path.name()).extension().is_some_and(|extension| extension == "json");
    Ok((json && real.is_file()).then_some(real))
}

/// The image's draft: everything that it is made of has been found. What is odd about it goes into `warnings`.
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
    spec.draft(&surroundings, |text| {
        let base = match &spec.described_base {
            Some(described) if finished::is_absent(text, store)? => {
                described.open(text).map_err(|error| Failure::base(text, &error))?
            }
            _ => finished::base(text, &spec.architecture, store, registries)?,
        };
        warnings.extend(finished::not_pinned(text));
        warnings.extend(finished::other_platform(&base, &spec.architecture));
        Ok(base)
    })
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
}

impl Opener<'_> {
    /// Opens a source, of whatever form.
    pub(crate) fn open(&self, source: Source, warnings: &mut Vec<String>) -> Result<OpenedSource, Failure> {
        Ok(match source {
            Source::Plan(image) => {
                no_platform(self.one)?;
                let spec = spec(&image, self.plan, self.context.store.root(), self.registries)?;
                OpenedSource::Draft(draft(&spec, self.context, self.registries, warnings)?)
            }
            Source::Image(place) => {
                match finished::opened(&place, self.platform.as_ref(), self.registries)? {
                    Opened::Image(image) => OpenedSource::Image(place, image),
                    Opened::Index(index) => OpenedSource::Index(place, index),
                }
            }
        })
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
    let plan = plan_for(arch.arch.as_deref());
    let opener = Opener { context, registries, plan: &plan, one: &arch.one, platform: arch.wanted() };
    opener.open(place::source(source)?, warnings)
}

/// Opens one image, for this machine's platform unless `arch` says another.
pub(crate) fn open_image(
    source: &[PathBuf],
    arch: &Arch,
    context: &Context,
    registries: &Registries,
    warnings: &mut Vec<String>,
) -> Result<Draft, Failure> {
    let plan = plan_for(arch.arch.as_deref());
    let platform = arch.wanted().or_else(|| Some(finished::machine()));
    let opener = Opener { context, registries, plan: &plan, one: &arch.one, platform };
    match opener.open(place::source(source)?, warnings)? {
        OpenedSource::Draft(draft) => Ok(draft),
        OpenedSource::Image(place, image) => finished::draft(&place, *image),
        OpenedSource::Index(place, index) => {
            let platforms: Vec<Platform> = index.images.into_iter().map(|(platform, _)| platform).collect();
            Err(Failure::several_platforms(place, &platforms))
        }
    }
}

/// A plan that says nothing but the architecture.
pub(crate) fn plan_for(arch: Option<&str>) -> Plan {
    Plan { arch: arch.map(str::to_owned), ..Plan::default() }
}

/// Makes sure that no platform is asked of something that is made for just one.
pub(crate) fn no_platform(one: &OnePlatform) -> Result<(), Failure> {
    match &one.platform {
        None => Ok(()),
        Some(_) => {
            Err(Failure::usage("a conf and store paths are for one platform; --platform cannot choose")
                .hint("--arch says what an image of store paths is for"))
        }
    }
}

/// Makes sure that nothing is asked of a finished image that only a plan can say.
pub(crate) fn only_arch(plan: &Plan, place: &Place) -> Result<(), Failure> {
    if *plan == plan_for(plan.arch.as_deref()) {
        return Ok(());
    }
    Err(Failure::usage(format!("{place} is a finished image, which cannot be planned"))
        .hint("give what the image is to be with store paths in place of the image"))
}
