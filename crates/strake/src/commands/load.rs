//! `strake load`: an image into a container engine.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use strake_image::compression::Pool;
use strake_image::deliver::{Options, deliver};
use strake_image::{Event, Target};

use crate::cli::Load;
use crate::engine_place::EngineKind;
use crate::engines::Engines;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::Reporter;
use crate::source::{OpenedSource, Opener};
use crate::{finished, place};

pub(crate) fn run(arguments: &Load) -> Result<(), Failure> {
    let engines = Engines::new(arguments.via.as_deref());
    let source = place::source(&arguments.source)?;
    let engine = arguments.to.clone().map_or_else(|| engines.usual(), Ok)?;
    if arguments.run {
        can_run(&engine, &arguments.arguments)?;
    }
    let registries = Registries::new(&arguments.registry)?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, arguments.writing.verify, &mut warnings);
    let wanted = arguments.one.wanted(arguments.plan.arch.as_deref());
    let opener = Opener {
        context: &context,
        registries: &registries,
        plan: &arguments.plan,
        one: &arguments.one,
        platform: Some(wanted.unwrap_or_else(finished::machine)),
        is_one_of_several: false,
    };
    let mut reporter = Reporter::new(arguments.writing.style(), &context.progress);
    let draft = match opener.open(source, &mut warnings)? {
        OpenedSource::Draft(draft) => draft,
        OpenedSource::Image(place, image) => finished::draft(&place, *image)?,
        OpenedSource::Index(place, _) => {
            return Err(Failure::new(format!("{place} is an index of several images")));
        }
    };
    let names = Some(arguments.repo_tag.clone()).filter(|names| !names.is_empty());
    let target = engines.target(&engine, names, draft.about.mtime(), &context)?;
    reporter.layers(&[&draft.layers], false);
    reporter.warnings(&warnings);
    let pool =
        arguments.compress.0.map(|compression| Pool::new(compression, context.jobs.min(super::processors())));
    let pool = pool.transpose().map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let options = Options { pool, ..Options::default() };
    let run = OnceLock::new();
    let report = |event: Event<'_>| {
        if let Event::Loaded(loaded) = event {
            let _ = run.set(loaded.run.clone());
        }
        reporter.event(event);
    };
    let mut targets: [Box<dyn Target>; 1] = [Box::new(target)];
    deliver(&context, draft.into(), &mut targets, &options, &report)?;
    drop(reporter);
    if arguments.run { start(run.into_inner().flatten(), &arguments.arguments) } else { Ok(()) }
}

/// Makes sure that an image can be run there, before anything is loaded.
fn can_run(engine: &EngineKind, arguments: &[String]) -> Result<(), Failure> {
    match engine {
        EngineKind::Docker | EngineKind::Podman => Ok(()),
        EngineKind::Containerd { .. } if arguments.is_empty() => Ok(()),
        EngineKind::Containerd { .. } => {
            Err(Failure::usage("--run: ctr takes arguments in place of the image's whole command")
                .hint("leave the arguments out, or run the image with ctr run"))
        }
        _ => Err(Failure::usage(format!("--run: {engine} is a cluster"))
            .hint("kubectl run starts an image in a cluster")),
    }
}

/// Becomes the command that runs the image.
fn start(command: Option<Vec<String>>, arguments: &[String]) -> Result<(), Failure> {
    let words =
        command.ok_or_else(|| Failure::new("--run: the engine says no command that runs the image"))?;
    let (program, words) = words.split_first().expect("a command has a name");
    let mut command = Command::new(program);
    let (before, after) = words.split_at(words.iter().position(|word| word == "--rm").unwrap_or(words.len()));
    command.args(before);
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        let is_ctr = words.iter().chain([program]).any(|word| word.ends_with("ctr"));
        command.arg(if is_ctr { "--tty" } else { "-it" });
    }
    command.args(after);
    let error = command.args(arguments).exec();
    Err(Failure::new(format!("cannot run {program}: {error}")))
}
