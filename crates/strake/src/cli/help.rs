//! What stands below the options in `--help`.

/// What each exit code means, for all commands.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line, \
                          141 the reader of the output went away before it was whole.";

/// The forms that an image comes in.
pub(super) const PLACES: &str = "\
An image is a CONF or store paths, as for strake stream, or one of
  docker-archive:FILE[:NAME|:@N]  a docker-archive, by default its first image
  oci:DIR[:NAME]                  an OCI image layout
  oci-archive:FILE[:NAME]         a tar archive of one
  hybrid-archive:FILE[:NAME|:@N]  a tar archive of one that Docker reads as well
  docker://NAME[:TAG][@DIGEST]    an image in a registry
  docker-daemon:NAME[:TAG]        an image in Docker
  containers-storage:NAME[:TAG]   an image in podman's storage
The form of a FILE, a DIR or stdin (-) without such a prefix is recognised by its content.";

/// The same in a line or two, for `-h`.
pub(super) const SOURCE: &str =
    "The image: docker://NAME, oci:DIR, oci-archive:FILE, docker-archive:FILE, CONF or store paths";
pub(super) const SOURCES: &str =
    "The images: docker://NAME, oci:DIR, oci-archive:FILE, docker-archive:FILE, CONF or a store path";
pub(super) const SOURCE_AND_DESTINATIONS: &str = "docker://NAME, oci:DIR, oci-archive:FILE or docker-archive:FILE; \
    SOURCE may be a CONF or store paths, DEST - for stdout";
pub(super) const BASE: &str = "Base image, such as docker://debian:12 or oci:DIR";

/// The forms that it can be written in.
pub(super) const DESTINATIONS: &str =
    "A destination is one of these four, or - for a docker-archive on stdout.";

/// The end of a command's help: notes, exit codes, two examples.
pub(super) fn end(notes: &[&str], examples: [&str; 2]) -> String {
    let [first, second] = examples;
    let mut parts: Vec<&str> = notes.to_vec();
    parts.push(EXIT_CODES);
    format!("{}\n\nExamples:\n  {first}\n  {second}", parts.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use crate::cli::Cli;

    /// All commands that do something, with their names: `cache show`.
    fn commands() -> Vec<(String, Command)> {
        fn add(name: &str, command: &Command, all: &mut Vec<(String, Command)>) {
            all.push((name.trim().to_owned(), command.clone()));
            for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
                add(&format!("{name} {}", below.get_name()), below, all);
            }
        }
        let mut all = Vec::new();
        let mut root = Cli::command();
        root.build();
        add("", &root, &mut all);
        all
    }

    /// The words of a shell's command line, up to a pipe or a redirection, without variables in front.
    fn words(line: &str) -> Vec<&str> {
        let words = line.split_whitespace().take_while(|word| !matches!(*word, "|" | ">"));
        words.skip_while(|word| word.contains('=')).collect()
    }

    #[test]
    fn examples_are_command_lines() {
        for (name, command) in commands() {
            let end = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = end.split_once("\n\nExamples:\n").unwrap_or_else(|| panic!("{name}: {end}"));
            let examples: Vec<&str> = examples.lines().collect();
            assert_eq!(examples.len(), 2, "{name}");
            for line in examples {
                assert!(line.starts_with("  ") && line.len() <= 80, "{line}");
                let words = words(line);
                let expected: Vec<&str> = ["strake"].into_iter().chain(name.split_whitespace()).collect();
                assert_eq!(words[..expected.len()], expected, "{line}");
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    /// `-h` fits on one screen of 80 columns; `--help` has more only where there is more.
    #[test]
    fn short_help_is_short() {
        for (name, command) in commands() {
            let short = command.term_width(80).render_help().to_string();
            let lines = short.lines().count();
            // The first has a line for each command.
            let most = if name.is_empty() { 32 } else { 24 };
            assert!(lines <= most, "{name} -h has {lines} lines:\n{short}");
            assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
        }
    }
}
