//! Images by hand.

use strake_testkit::tar_bytes::RawMember;

pub(crate) fn file(name: &str, content: &str) -> RawMember {
    RawMember::new(b'0', name, content.as_bytes())
}

pub(crate) fn directory(name: &str) -> RawMember {
    RawMember { mode: 0o755, ..RawMember::new(b'5', name, b"") }
}

pub(crate) fn symlink(name: &str, target: &str) -> RawMember {
    RawMember::link(b'2', name, target)
}

pub(crate) fn link(name: &str, target: &str) -> RawMember {
    RawMember::link(b'1', name, target)
}

pub(crate) fn sized(member: RawMember, size: u64) -> RawMember {
    RawMember { size, ..member }
}

pub(crate) fn size_record(size: &str) -> RawMember {
    RawMember::extended(b'x', &[("size", size)])
}

/// Layers, and what there is then: paths with the beginning of what is said of them.
pub(crate) type Case = (&'static [fn() -> Vec<RawMember>], &'static [(&'static str, &'static str)]);

pub(crate) const CASES: &[Case] = &[
    // A lower link, and something below it in the upper layer.
    (
        &[|| vec![directory("usr/lib"), symlink("lib", "usr/lib")], || vec![file("lib/x", "x")]],
        &[("lib", "link to usr/lib"), ("usr", ""), ("usr/lib", ""), ("usr/lib/x", "file 644 1 x")],
    ),
    (
        &[
            || vec![directory("etc"), file("etc/passwd", "old"), symlink("a", "/etc")],
            || vec![file("a/passwd", "new")],
        ],
        &[("a", "link to /etc"), ("etc", ""), ("etc/passwd", "file 644 1 new")],
    ),
    // No link leads out.
    (
        &[
            || vec![symlink("a", "../../../up"), symlink("b", "/../up")],
            || vec![file("a/x", ""), file("b/y", "")],
        ],
        &[("a", ""), ("b", ""), ("up", ""), ("up/x", "file"), ("up/y", "file")],
    ),
    // A directory in place of a link, and the other way round.
    (
        &[
            || vec![directory("d"), file("d/x", ""), symlink("l", "d")],
            || vec![directory("l"), symlink("d", "l"), file("d/y", "")],
        ],
        &[("d", "link to l"), ("l", "directory"), ("l/y", "file")],
    ),
    // Hard links whose target is gone or another later.
    (
        &[|| vec![file("t", "1"), link("l", "t"), link("m", "./t")], || vec![file(".wh.t", "")]],
        &[("l", "file 644 1 1 [\"l\", \"m\"]"), ("m", "file 644 1 1 [\"l\", \"m\"]")],
    ),
    (
        &[|| vec![file("t", "1"), link("l", "t")], || vec![file("t", "2")]],
        &[("l", "file 644 1 1 [\"l\"]"), ("t", "file 644 1 2 [\"t\"]")],
    ),
    (
        &[|| vec![file("t", "1"), link("l", "t"), file("t", "2"), link("m", "t")]],
        &[("l", "file 644 1 1 [\"l\"]"), ("m", "file 644 1 2 [\"m\", \"t\"]"), ("t", "")],
    ),
    // To something of a lower layer, and through a link.
    (
        &[
            || vec![directory("d"), file("d/t", "1"), symlink("s", "d")],
            || vec![link("l", "s/t"), link("k", "s")],
        ],
        &[
            ("d", ""),
            ("d/t", ""),
            ("k", "link to d [\"k\", \"s\"]"),
            ("l", "file 644 1 1 [\"d/t\", \"l\"]"),
            ("s", ""),
        ],
    ),
    // A hard link's own attributes say nothing.
    (
        &[|| vec![file("t", "1"), RawMember { mode: 0o777, mtime: 9, ..link("l", "t") }]],
        &[("l", "file 644 1 1"), ("t", "file 644 1 1")],
    ),
    // Whiteouts through links, and of links.
    (
        &[
            || vec![directory("d"), file("d/x", ""), file("d/y", ""), symlink("s", "d"), symlink("r", "d")],
            || vec![file("s/.wh.x", ""), file(".wh.r", "")],
        ],
        &[("d", ""), ("d/y", ""), ("s", "")],
    ),
    (
        &[
            || vec![directory("d"), file("d/x", ""), symlink("s", "d")],
            || vec![file("s/new", ""), file("s/.wh..wh..opq", "")],
        ],
        &[("d", ""), ("d/new", ""), ("s", "")],
    ),
    // A layer does not remove its own entries, before or behind.
    (
        &[
            || vec![directory("d"), file("d/x", "1"), file("d/y", "1")],
            || vec![file("d/x", "2"), file(".wh.d", ""), file("d/z", "2"), file("d/.wh.x", "")],
        ],
        &[("d", "directory"), ("d/x", "file 644 1 2"), ("d/z", "")],
    ),
    // A whiteout of what cannot be there.
    (&[|| vec![file("f", ""), file("f/.wh.x", ""), file("f/x/.wh..wh..opq", "")]], &[("f", "")]),
    // A directory that becomes a file, and a directory again.
    (
        &[
            || vec![directory("d"), file("d/x", "")],
            || vec![file("d", "file")],
            || vec![directory("d"), file("d/y", "")],
        ],
        &[("d", "directory"), ("d/y", "")],
    ),
    // Nothing stands behind the header of what is no file, whatever size it says.
    (
        &[|| {
            vec![
                file("t", "1"),
                sized(symlink("s", "t"), 512),
                sized(link("l", "t"), 1024),
                sized(directory("d"), 7),
                sized(RawMember::new(b'6', "p", b""), 4096),
                size_record("512"),
                link("m", "t"),
                size_record("99999999999"),
                directory("e"),
                file("z", "z"),
            ]
        }],
        &[
            ("d", ""),
            ("e", ""),
            ("l", ""),
            ("m", ""),
            ("p", "pipe"),
            ("s", ""),
            ("t", ""),
            ("z", "file 644 1 z"),
        ],
    ),
    // A record wins over the field.
    (
        &[|| vec![size_record("3"), sized(file("f", "abc"), 1), file("z", "z")]],
        &[("f", "file 644 1 abc"), ("z", "")],
    ),
    // Global records say nothing to those who unpack images.
    (
        &[|| {
            vec![
                RawMember::extended(b'g', &[("path", "other"), ("size", "1")]),
                file("f", "abc"),
                file("z", "z"),
            ]
        }],
        &[("f", "file 644 1 abc"), ("z", "")],
    ),
    // By an old flag.
    (
        &[|| vec![RawMember { mode: 0o755, ..RawMember::new(0, "d/", b"") }, RawMember::new(0, "f", b"f")]],
        &[("d", "directory"), ("f", "")],
    ),
    // AUFS metadata is left out by all but umoci, which takes it for a whiteout.
    (&[|| vec![file(".wh..wh.aufs", ""), file("f", "")]], &[("f", "")]),
];
