//! `strake completions` and `strake man`: files that belong to an installation, out of the command line's definition.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output;

/// Writes the completions for a shell to stdout.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "strake", &mut script);
    output::say_data(&script)
}

/// Writes the man pages: `strake.1`, `strake-stream.1` and so on.
pub(crate) fn man(directory: &Path) -> Result<(), Failure> {
    // The pages have no date: the same program writes the same pages.
    clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
        Failure::new(format!("cannot write man pages into {}: {error}", directory.display()))
    })
}
