//! From the words of the command line, and the files that they name, to the libraries' options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use strake_image::customisation::Customisation;
use strake_image::plan::{CompleteOptions, ConfLayers, ConfigOptions, PlanOptions};
use strake_image::spec;
use strake_plan::layering::lock::Lock;
use strake_plan::layering::{self, CostOptions, DEFAULT_MAX_LAYERS, LayeringOptions, pipeline};

use crate::cli::{Config, Inherit, Layering, Plan, PlanCommand, Strategy};
use crate::failure::Failure;
use crate::{finished, input, output};

/// The plan of these roots.
pub(crate) fn plan(plan: &Plan, roots: &[PathBuf]) -> Result<PlanOptions, Failure> {
    let usual = PlanOptions::default();
    Ok(PlanOptions {
        roots: roots.to_vec(),
        name: plan.name.clone(),
        tag: plan.tag.clone(),
        config: config(&plan.config)?,
        customisation: plan.customisation.as_deref().map(customisation).transpose()?.unwrap_or_default(),
        contents: plan.contents.clone(),
        root: plan.root.as_deref().map(absolute).transpose()?,
        nix_database: plan.nix_database,
        materialize_etc: plan.materialize_etc,
        inherit: plan.inherit.map(|inherit| match inherit {
            Inherit::Env => spec::Inherit::Env,
            Inherit::All => spec::Inherit::All,
        }),
        skip_base_paths: plan.skip_base_paths,
        architecture: plan.arch.clone().unwrap_or_else(finished::architecture),
        created: plan.created.clone().unwrap_or(usual.created),
        mtime: plan.mtime.clone().unwrap_or(usual.mtime),
        owner: plan.owner.unwrap_or((0, 0)),
        no_store_paths: plan.no_store_paths,
        max_layers: max_layers(&plan.layering),
        // Data that decides nothing is not read.
        layering: if plan.no_store_paths { usual.layering } else { layering(&plan.layering)? },
    })
}

/// How a conf is completed, but for its graph and what is needed only with one.
pub(crate) fn complete(arguments: &PlanCommand) -> Result<CompleteOptions, Failure> {
    let layers = |files: &[PathBuf]| files.iter().map(|file| conf_layers(file)).collect::<Result<_, _>>();
    let files = arguments.below.iter().chain(&arguments.without);
    let plan = &arguments.plan;
    Ok(CompleteOptions {
        without: layers(&arguments.without)?,
        below: layers(&arguments.below)?,
        foreign: files.filter_map(|file| file.to_str()).map(str::to_owned).collect(),
        copied: arguments.copied.clone(),
        max_layers: max_layers(&plan.layering),
        tag: plan.tag.clone(),
        created: plan.created.clone(),
        mtime: plan.mtime.clone(),
        ..CompleteOptions::default()
    })
}

/// How layers are decided.
pub(crate) fn layering(flags: &Layering) -> Result<LayeringOptions, Failure> {
    let strategy = flags.strategy.unwrap_or(Strategy::Cost);
    if strategy != Strategy::Cost
        && (flags.lock.is_some()
            || flags.rates.is_some()
            || !flags.isolate.is_empty()
            || !flags.volatile.is_empty())
    {
        return Err(Failure::usage("--lock, --isolate, --volatile and --rates are for the strategy cost"));
    }
    let strategy = match (&flags.pipeline, strategy) {
        (Some(file), _) => {
            let pipeline = pipeline::parse(&input::read(file)?);
            let pipeline = pipeline.map_err(|error| Failure::pipeline(&input::name(file), &error))?;
            layering::Strategy::Pipeline(pipeline)
        }
        (None, Strategy::Auto) => layering::Strategy::Auto,
        (None, Strategy::Popularity) => layering::Strategy::Popularity,
        (None, Strategy::Each) => layering::Strategy::Each,
        (None, Strategy::One) => layering::Strategy::One,
        (None, Strategy::Cost) => layering::Strategy::Cost(CostOptions {
            previous: lock(flags)?.map(|lock| lock.layers),
            rates: flags.rates.as_deref().map(rates).transpose()?.unwrap_or_default(),
            isolated: flags
                .isolate
                .iter()
                .map(|paths| paths.split(',').map(str::to_owned).collect())
                .collect(),
            volatile: flags.volatile.clone(),
        }),
    };
    Ok(LayeringOptions { strategy, excluded: flags.exclude.clone() })
}

/// The maximum number of layers in an image.
pub(crate) fn max_layers(flags: &Layering) -> usize {
    flags.max_layers.unwrap_or(DEFAULT_MAX_LAYERS)
}

/// The pipeline's name in messages.
pub(crate) fn pipeline_name(flags: &Layering) -> String {
    flags.pipeline.as_deref().map(input::name).unwrap_or_default()
}

/// The lock file, if there is one. It must be there unless it is about to be written.
pub(crate) fn lock(flags: &Layering) -> Result<Option<Lock>, Failure> {
    match &flags.lock {
        Some(path) if !flags.update_lock || path.exists() => Lock::parse(&input::read(path)?)
            .map(Some)
            .map_err(|error| Failure::lock(&input::name(path), &error)),
        _ => Ok(None),
    }
}

/// Writes the lock file, if requested.
pub(crate) fn update_lock(flags: &Layering, lock: &Lock) -> Result<(), Failure> {
    match &flags.lock {
        Some(path) if flags.update_lock => output::write(path, lock.text().as_bytes()),
        _ => Ok(()),
    }
}

/// A file's name that a conf can hold.
pub(crate) fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::new(format!("cannot find {}: {error}", path.display())))?;
    absolute.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(format!("the name {} is not UTF-8, so it cannot stand in a plan", absolute.display()))
    })
}

/// A JSON object that is to become a conf.
pub(crate) fn begun_conf(file: &Path) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(&input::read(file)?)
        .map_err(|error| Failure::new(format!("{} is not a conf: {error}", input::name(file))))
}

fn conf_layers(file: &Path) -> Result<ConfLayers, Failure> {
    ConfLayers::parse(&input::read(file)?).map_err(|error| Failure::conf_layers(&input::name(file), &error))
}

fn config(flags: &Config) -> Result<ConfigOptions, Failure> {
    let config = match &flags.file {
        None => Map::new(),
        Some(path) => match serde_json::from_slice(&input::read(path)?) {
            Ok(Value::Object(config)) => config,
            Ok(_) => return Err(Failure::new(format!("{} is not a JSON object", input::name(path)))),
            Err(error) => return Err(Failure::new(format!("{} is not JSON: {error}", input::name(path)))),
        },
    };
    Ok(ConfigOptions {
        config,
        entrypoint: flags.entrypoint.clone(),
        cmd: flags.cmd.clone(),
        env: flags.env.clone(),
        user: flags.user.clone(),
        working_dir: flags.workdir.clone(),
        exposed_ports: flags.expose.clone(),
        labels: flags.label.clone(),
        volumes: flags.volume.clone(),
        stop_signal: flags.stop_signal.clone(),
    })
}

fn customisation(path: &Path) -> Result<Customisation, Failure> {
    serde_json::from_slice(&input::read(path)?).map_err(|error| {
        Failure::new(format!("{} is no customisation: {error}", input::name(path)))
            .hint("docs/conf.md says what it may hold")
    })
}

fn rates(path: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    serde_json::from_slice(&input::read(path)?).map_err(|error| {
        Failure::new(format!("{} is no table of rates: {error}", input::name(path)))
            .hint("it must be a JSON object from package names to whole numbers")
    })
}
