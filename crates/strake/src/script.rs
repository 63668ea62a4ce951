//! Executables that stream an image: what dockerTools' `streamLayeredImage` and strake's library build.

use std::path::{Path, PathBuf};

/// No such executable is larger, in bytes.
pub(crate) const MAX: u64 = 64 * 1024;

/// Programs that make an image of a conf, by the ends of their names: dockerTools' script is in the store as `<hash>-stream`.
const PROGRAMS: [&str; 4] = ["-stream", "/stream_layered_image.py", "/stream_layered_image", "/strake"];

/// The conf of the image that an executable streams, if it is one that does. It hands a conf over to a program that makes the image:
/// `exec "/nix/store/…-stream" /nix/store/…-conf.json "$@"`.
pub(crate) fn conf(text: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.starts_with("#!"))?;
    text.lines().find_map(|line| {
        let mut words =
            line.trim().strip_prefix("exec ")?.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let program = words.next()?;
        PROGRAMS.iter().find(|end| program.ends_with(**end))?;
        let mut confs = words.filter(|word| is_json(word));
        let conf = confs.next()?;
        confs.next().is_none().then(|| conf.into())
    })
}

fn is_json(word: &str) -> bool {
    word.starts_with('/') && Path::new(word).extension().is_some_and(|extension| extension == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_they_are() {
        for (text, expected) in [
            (
                "#! /nix/store/a-bash/bin/bash -e\nexec \"/nix/store/b-stream\"  /nix/store/c-app-conf.json \"$@\" \n",
                true,
            ),
            (
                "#!/nix/store/a-bash/bin/bash\nexec /nix/store/b-strake/bin/strake stream /nix/store/c-app-conf.json \"$@\"\n",
                true,
            ),
            ("#!/bin/sh\nexec python3 /nix/store/c-app-conf.json\n", false),
            ("#!/bin/sh\nexec /nix/store/b-stream /nix/store/c-a.json /nix/store/c-b.json\n", false),
            ("#!/bin/sh\n/nix/store/b-stream /nix/store/c-app-conf.json\n", false),
            ("exec /nix/store/b-stream /nix/store/c-app-conf.json\n", false),
            ("#!/bin/sh\nexec /nix/store/b-stream --version\n", false),
        ] {
            let found = conf(text.as_bytes());
            assert_eq!(found, expected.then(|| PathBuf::from("/nix/store/c-app-conf.json")), "{text}");
        }
        assert_eq!(conf(b"\x7fELF\xff"), None);
    }
}
