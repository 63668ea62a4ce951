//! strake builds container images directly from a Nix store.

mod cli;
mod commands;
mod descriptors;
mod engine_place;
mod engines;
mod failure;
mod finished;
mod incoming;
mod input;
mod named;
mod options;
mod output;
mod paint;
mod picture;
mod place;
mod planning;
mod references;
mod registry;
mod report;
mod script;
mod source;
mod suggestion;
mod terminal;
mod values;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Script};
use failure::Failure;
use report::Style;

/// Started under this name the command is the drop-in for nixpkgs' script of that name.
const SCRIPT_NAME: &str = "stream_layered_image";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (style, result) = match parse(&arguments) {
        Ok(command) => {
            let result = run(&command);
            incoming::clear();
            (command.style(), result)
        }
        Err(error) if error.use_stderr() => {
            let shown: Vec<OsString> = arguments.iter().map(|word| terminal::shown(word)).collect();
            let mut error = parse(&shown).err().filter(clap::Error::use_stderr).unwrap_or(error);
            let hint = cli::hint(&mut error);
            terminal::say_usage(&error);
            if let Some(hint) = hint {
                terminal::say_hint(hint);
            }
            return ExitCode::from(failure::USAGE);
        }
        // What was asked for: help, or the version.
        Err(answer) => (Style::Lines, output::say_help(&answer)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(style);
            failure.exit_code()
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Command, clap::Error> {
    if is_script(arguments) {
        Script::try_parse_from(arguments).map(|script| Command::Stream(Box::new(script.into())))
    } else {
        Cli::try_parse_from(arguments).map(|cli| cli.command)
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    if command.writes_to_stdout() && descriptors::stdout_is_closed() {
        return Err(Failure::closed_stdout());
    }
    match command {
        Command::Stream(arguments) => commands::stream::run(arguments),
        Command::Layers(arguments) => commands::layers::run(arguments),
        Command::Plan(arguments) => commands::plan::run(arguments),
        Command::Describe(arguments) => commands::describe::run(arguments),
        Command::Copy(arguments) => commands::copy::run(arguments),
        Command::Load(arguments) => commands::load::run(arguments),
        Command::Inspect(arguments) => commands::inspect::run(arguments),
        Command::Verify(arguments) => commands::verify::run(arguments),
        Command::Pin(arguments) => commands::pin::run(arguments),
        Command::ListTags(arguments) => commands::list_tags::run(arguments),
        Command::Tag(arguments) => commands::tag::run(arguments),
        Command::Delete(arguments) => commands::delete::run(arguments),
        Command::Merge(arguments) => commands::merge::run(arguments),
        Command::Export(arguments) => commands::export::run(arguments),
        Command::NixDatabase(arguments) => commands::nix_database::run(arguments),
        Command::Completions { shell } => commands::installation::completions(*shell),
        Command::Man { directory } => commands::installation::man(directory),
        Command::Cache { action } => commands::cache::run(action),
    }
}

fn is_script(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    name.is_some_and(|name| name == SCRIPT_NAME)
}
