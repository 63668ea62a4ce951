//! strake lays container images straight over a Nix store.

mod cli;
mod commands;
mod failure;
mod finished;
mod input;
mod options;
mod output;
mod picture;
mod place;
mod planning;
mod references;
mod registry;
mod report;
mod source;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Script};
use report::Style;

/// Started under this name the command is the drop-in for nixpkgs' script of that name.
const SCRIPT_NAME: &str = "stream_layered_image";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (style, result) = if is_script(&arguments) {
        (Style::Script, commands::stream::run(&Script::parse_from(arguments).into()))
    } else {
        match Cli::parse_from(arguments).command {
            Command::Stream(arguments) => (arguments.style(), commands::stream::run(&arguments)),
            Command::Layers(arguments) => (Style::Lines, commands::layers::run(&arguments)),
            Command::Plan(arguments) => (Style::Lines, commands::plan::run(&arguments)),
            Command::Describe(arguments) => (arguments.style(), commands::describe::run(&arguments)),
            Command::Copy(arguments) => (arguments.writing.style(), commands::copy::run(&arguments)),
            Command::Inspect(arguments) => (Style::Lines, commands::inspect::run(&arguments)),
            Command::Verify(arguments) => (Style::Lines, commands::verify::run(&arguments)),
            Command::Pin(arguments) => (Style::Lines, commands::pin::run(&arguments)),
            Command::Merge(arguments) => (arguments.writing.style(), commands::merge::run(&arguments)),
            Command::Export(arguments) => (Style::Lines, commands::export::run(&arguments)),
            Command::NixDatabase(arguments) => (Style::Lines, commands::nix_database::run(&arguments)),
            Command::Cache { action } => (Style::Lines, commands::cache::run(&action)),
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(style);
            failure.exit_code()
        }
    }
}

fn is_script(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    name.is_some_and(|name| name == SCRIPT_NAME)
}
