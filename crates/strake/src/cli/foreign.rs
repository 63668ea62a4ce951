//! Hints for people who know skopeo, crane or docker: what their options and commands are called here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of skopeo, crane and docker that strake does not have, and what to use instead.
const OPTIONS: &[(&[&str], &str)] = &[
    (
        &["--all", "-a", "--multi-arch", "--all-platforms"],
        "strake copy copies the images for all platforms; --platform OS/ARCH selects one",
    ),
    (
        &["--override-os", "--override-arch", "--override-variant", "--os", "--variant"],
        "use --platform OS/ARCH[/VARIANT]",
    ),
    (
        &["--insecure", "--allow-insecure", "--plain-http", "--src-plain-http", "--dest-plain-http"],
        "use --tls-verify=false",
    ),
    (&["--insecure-policy", "--policy", "--registries.d"], "leave it out: strake has no signature policy"),
    (
        &["--sign-by", "--sign-by-sigstore", "--remove-signatures", "--encryption-key", "--decryption-key"],
        "strake neither signs nor encrypts: use cosign with the digest that --digest-file writes",
    ),
    (
        &["--dest-compress", "--dest-compress-format", "--dest-compress-level", "--compression-format"],
        "use --compress gzip or --compress zstd, with a level as in --compress gzip:9",
    ),
    (
        &["--compression-level", "--force-compression", "--compression"],
        "use --compress, as in --compress gzip:9",
    ),
    (&["--dest-decompress", "--decompress"], "strake does not decompress layers: it copies them as they are"),
    (&["--digestfile", "--image-refs", "--iidfile"], "use --digest-file FILE"),
    (
        &["--additional-tag", "--all-tags"],
        "name several destinations: strake copy SOURCE docker://NAME:1 docker://NAME:2",
    ),
    (
        &["--username", "-u", "--password", "-p", "--user"],
        "use --creds USER with --password-stdin, or the environment variable STRAKE_CREDS=USER:PASSWORD",
    ),
    (
        &["--src-username", "--src-password"],
        "use --src-creds USER with --password-stdin, or the environment variable STRAKE_SRC_CREDS=USER:PASSWORD",
    ),
    (
        &["--dest-username", "--dest-password"],
        "use --dest-creds USER with --password-stdin, or the environment variable STRAKE_DEST_CREDS=USER:PASSWORD",
    ),
    (
        &[
            "--no-creds",
            "--src-no-creds",
            "--dest-no-creds",
            "--src-registry-token",
            "--dest-registry-token",
            "--registry-token",
        ],
        "use --authfile FILE, with {} in FILE for anonymous access",
    ),
    (
        &["--retry-times", "--retry-delay", "--retry"],
        "leave it out: transient errors are retried up to 6 times",
    ),
    (
        &["--preserve-digests"],
        "leave it out: manifests stay as they are unless an option changes them; docker://NAME@DIGEST as DEST requires the digest",
    ),
    (&["--debug"], "use --verbose"),
    (&["--format", "-f"], "use --json, and jq to select from it"),
    (&["--src-daemon-host", "--dest-daemon-host"], "set the environment variable DOCKER_HOST"),
    (
        &["--src-shared-blob-dir", "--dest-shared-blob-dir"],
        "strake has no directories of shared blobs: copy to oci:DIR",
    ),
    (&["--tmpdir"], "set the environment variable TMPDIR"),
    (&["--load"], "use strake load, or name the destination docker-daemon:NAME"),
    (&["--push"], "name the destination docker://NAME"),
    (&["--input", "-i"], "name the image as docker-archive:FILE"),
    (&["--tarball"], "name the destination docker-archive:FILE or oci-archive:FILE"),
    (&["--file", "--build-arg", "--target"], "strake builds from store paths, not from a Dockerfile"),
    (
        &["--repo-tag", "-t"],
        "name the image behind the destination: docker://NAME:TAG, docker-archive:FILE:NAME:TAG or oci:DIR:NAME",
    ),
    (&["--output", "-o"], "name the file as a destination: docker-archive:FILE, oci:DIR or oci-archive:FILE"),
    (&["--uploads", "--chunk-size"], "only strake copy uploads blobs"),
];

/// Commands of skopeo, crane and docker, and what to use instead.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["push"], "strake copy IMAGE docker://NAME:TAG pushes an image"),
    (&["pull"], "strake copy docker://NAME:TAG oci:DIR fetches an image"),
    (
        &["save"],
        "strake stream CONF -o FILE writes a docker-archive, strake copy SOURCE docker-archive:FILE of any image",
    ),
    (&["import"], "strake load IMAGE loads an image into an engine"),
    (
        &["build", "mutate", "append", "rebase"],
        "strake stream makes an image of store paths, strake plan writes down what it is to be",
    ),
    (&["login", "logout"], "use podman login or docker login: strake reads the files that they write"),
    (&["digest"], "strake pin NAME prints the digest for each platform"),
    (
        &["manifest", "config", "images", "image", "show"],
        "strake inspect IMAGE --manifest prints the manifest, --config the config",
    ),
    (&["validate", "check"], "strake verify IMAGE checks an image"),
    (&["flatten"], "strake export IMAGE writes the file system as one tar archive"),
    (&["index"], "strake copy --index IMAGE... DEST makes an index"),
    (&["ls", "tags", "catalog"], "strake list-tags docker://NAME lists tags"),
    (&["sync", "cp"], "strake copy SOURCE DEST... copies an image"),
    (&["run"], "strake load IMAGE --run loads an image and runs it"),
    (&["standalone-sign", "sign"], "use cosign with the digest that strake copy --digest-file writes"),
];

/// Values of options that are called otherwise here.
const VALUES: &[(&str, &[&str], &str)] = &[
    (
        "--format",
        &["v2s2", "v2s1", "schema2"],
        "docker is Docker's schema 2, oci the OCI image specification's format",
    ),
    ("--platform", &["all"], "leave it out: strake copy copies the images for all platforms"),
    ("--compress", &["zstd:chunked", "estargz"], "strake writes plain gzip and zstd"),
];

/// The hint for a wrong command line, which takes the place of what its parser guesses.
pub(crate) fn hint(error: &mut clap::Error) -> Option<&'static str> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let find = |table: &[(&[&str], &'static str)], word: &str| {
        table.iter().find(|(words, _)| words.contains(&word)).map(|(_, hint)| *hint)
    };
    let hint = match error.kind() {
        ErrorKind::UnknownArgument => {
            let option = text(ContextKind::InvalidArg)?;
            find(OPTIONS, option.split('=').next().unwrap_or_default())
        }
        ErrorKind::InvalidSubcommand => find(COMMANDS, &text(ContextKind::InvalidSubcommand)?),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (option, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
            let is_it = |(known, values, _): &&(&str, &[&str], &str)| {
                option.split(' ').next() == Some(known) && values.contains(&&*value)
            };
            VALUES.iter().find(is_it).map(|(_, _, hint)| *hint)
        }
        _ => None,
    }?;
    for guess in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
        ContextKind::Suggested,
    ] {
        error.remove(guess);
    }
    Some(hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    /// No hint is for what strake itself has: each is for an option that at least one command refuses.
    #[test]
    fn options_are_foreign() {
        for (options, expected) in OPTIONS {
            for option in *options {
                let is_refused = ["copy", "inspect", "stream", "verify"].iter().any(|verb| {
                    let mut error = Cli::try_parse_from(["strake", verb, option, "x", "oci:y"]).err();
                    error.as_mut().and_then(hint) == Some(expected)
                });
                assert!(is_refused, "{option}");
            }
        }
        for (commands, expected) in COMMANDS {
            for command in *commands {
                let mut error = Cli::try_parse_from(["strake", command, "x"]).unwrap_err();
                assert_eq!(hint(&mut error), Some(*expected), "{command}");
            }
        }
        for (option, values, expected) in VALUES {
            for value in *values {
                let mut error = Cli::try_parse_from(["strake", "copy", "x", "y", option, value]).unwrap_err();
                assert_eq!(hint(&mut error), Some(*expected), "{option} {value}");
            }
        }
    }

    #[test]
    fn others_keep_what_the_parser_guesses() {
        let mut error = Cli::try_parse_from(["strake", "copy", "--annotatoin", "a=b"]).unwrap_err();
        assert_eq!(hint(&mut error), None);
        assert!(error.to_string().contains("--annotation"), "{error}");
    }
}
