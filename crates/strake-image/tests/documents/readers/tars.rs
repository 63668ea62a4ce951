//! Tar archives as somebody could write them: right ones, and each field in many other ways.

use proptest::prelude::*;
use proptest::sample::select;

use super::members::{Block, Dialect, Form, Number, Sum, extended};

fn name() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        12 => select(&["a", "b", "a/b", "d/", "./a", "d/x"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => select(&["/a", "a//b", "d//", "a/../b", "../a", ".", "", "./", "a/.", "///"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => select(vec![&b"\xff"[..], "grüße".as_bytes(), b"a\0b", b"a\nb"]).prop_map(<[u8]>::to_vec),
        1 => (90usize..110).prop_map(|length| vec![b'n'; length]),
    ].boxed()
}

/// Numbers that are right somewhere, or nowhere.
fn number(value: i64) -> BoxedStrategy<Number> {
    let raw: &[&[u8]] = &[
        b"",
        b"       ",
        b"\0\0\0\0",
        b"0000008",
        b"12\x0034",
        b"1 2",
        b" 1",
        b"1\0 ",
        b"+1",
        b"-1",
        b"0x1",
        b"\x80",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\0\0\0\0\0\0\x01",
        b"\xc0\0\0\0\0\0\0\0\0\0\0\0",
        b"7777777777777777",
        b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0 1",
        b"1\xff",
    ];
    prop_oneof![
        30 => Just(Number::plain(value)),
        1 => Just(Number { value, form: Form::Spaces }),
        1 => Just(Number { value, form: Form::Full }),
        1 => Just(Number { value, form: Form::Binary }),
        1 => select(&[-1, 0, 1, 0o7777, 0o100_644, 1 << 21, 1 << 33, i64::MAX]).prop_map(|value| Number { value, form: Form::Binary }),
        1 => select(raw).prop_map(|bytes| Number { value: 0, form: Form::Raw(bytes) }),
    ].boxed()
}

fn content() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![6 => Just(Vec::new()), 3 => (1usize..1100).prop_map(|length| vec![b'c'; length]), 1 => Just(b"1\n0\n3\n".to_vec())].boxed()
}

/// A member's own header.
fn block() -> BoxedStrategy<Block> {
    let kind = prop_oneof![
        8 => Just(b'0'), 2 => Just(0), 3 => Just(b'5'), 3 => Just(b'2'), 3 => Just(b'1'), 1 => select(b"346"), 1 => select(b"7SVDMNXZA \xff")
    ];
    let dialect = prop_oneof![
        12 => Just(Dialect::Ustar), 3 => Just(Dialect::Gnu), 1 => Just(Dialect::Old), 1 => Just(Dialect::Star), 1 => Just(Dialect::Other)
    ];
    let prefix = prop_oneof![8 => Just(Vec::new()), 2 => name(), 1 => select(vec![&b"\xff\xff"[..], b"00000000001\0", b"p\0q"]).prop_map(<[u8]>::to_vec)];
    let sum = prop_oneof![20 => Just(Sum::Unsigned), 1 => Just(Sum::Signed), 1 => Just(Sum::Wrong)];
    let owner = || prop_oneof![6 => Just(b"root".to_vec()), 1 => Just(Vec::new()), 1 => name()];
    // Some links and directories have a size, some files say another one than they have.
    let size = prop_oneof![30 => Just(None), 1 => select(&[0i64, 1, 512, 513, 3000]).prop_map(Some)];
    let is_padded = prop_oneof![40 => Just(true), 1 => Just(false)];
    (kind, dialect, (name(), name(), prefix), (owner(), owner()), content(), size, (is_padded, sum))
        .prop_flat_map(
            |(kind, dialect, (name, link, prefix), (user, group), content, size, (is_padded, sum))| {
                let content =
                    if matches!(kind, b'1'..=b'6') && size.is_none() { Vec::new() } else { content };
                let length = size.unwrap_or(i64::try_from(content.len()).unwrap());
                let numbers =
                    [number(0o644), number(1000), number(0), number(length), number(3), number(0), number(0)];
                let link = if matches!(kind, b'1' | b'2') { link } else { Vec::new() };
                numbers.prop_map(move |numbers| Block {
                    name: name.clone(),
                    kind,
                    link: link.clone(),
                    dialect,
                    prefix: prefix.clone(),
                    numbers,
                    owners: [user.clone(), group.clone()],
                    content: content.clone(),
                    is_padded,
                    sum,
                })
            },
        )
        .boxed()
}

fn record() -> BoxedStrategy<(String, Vec<u8>)> {
    let keyword = select(&[
        "path",
        "path",
        "linkpath",
        "size",
        "uid",
        "gid",
        "uname",
        "gname",
        "mtime",
        "mtime",
        "atime",
        "ctime",
        "comment",
        "charset",
        "hdrcharset",
        "SCHILY.xattr.user.a",
        "SCHILY.xattr.security.capability",
        "LIBARCHIVE.xattr.user.a",
        "GNU.sparse.major",
        "GNU.sparse.minor",
        "GNU.sparse.name",
        "GNU.sparse.size",
        "GNU.sparse.realsize",
        "GNU.sparse.map",
        "GNU.sparse.numblocks",
        "GNU.sparse.offset",
        "GNU.sparse.numbytes",
        "",
        "a\0b",
        "Path",
        "SCHILY.dev",
        "RHT.security.selinux",
    ]);
    let text = select(&[
        "a",
        "d/",
        "../x",
        "",
        "0",
        "1",
        "512",
        "700",
        "-1",
        "+1",
        "1.5",
        "1.",
        ".5",
        "-1.5",
        "1.9999999999",
        "1e3",
        "99999999999999999999",
        "0,3",
        "0,1,2",
        "3",
        "1 ",
        " 1",
        "0x10",
        "1_0",
        "BINARY",
        "a\0b",
        "grüße",
        "4294967296",
        "-0.5",
        "1.0000000005",
        "2097152",
        "١",
    ]);
    (keyword, text).prop_map(|(keyword, text)| (keyword.to_owned(), text.as_bytes().to_vec())).boxed()
}

/// Extended headers in front of a member.
fn front() -> BoxedStrategy<Block> {
    let records = || prop::collection::vec(record(), 0..4);
    let broken = select(vec![
        &b"6 k=v"[..],
        b"7 k=v\n",
        b"k=v\n",
        b"6 k=v\n\0",
        b"06 k=v\n",
        b" 6 k=v\n",
        b"6 k=v\n 6 a=b\n",
        b"9223372036854775808 k=v\n",
        b"-6 k=v\n",
        b"5 k\n\n",
        b"4 =\n",
        b"6\tk=v\n",
    ]);
    prop_oneof![
        6 => records().prop_map(|records| extended(b'x', &records)),
        1 => records().prop_map(|records| extended(b'g', &records)),
        2 => name().prop_map(|name| Block { dialect: Dialect::Gnu, ..Block::new(b'L', b"././@LongLink", &[name, vec![0]].concat()) }),
        1 => name().prop_map(|name| Block { dialect: Dialect::Gnu, ..Block::new(b'K', b"././@LongLink", &[name, vec![0]].concat()) }),
        1 => broken.prop_map(|text| Block::new(b'x', b"x", text)),
        1 => Just(Block::new(b'L', b"long", b"")),
        1 => records().prop_map(|records| extended(b'X', &records)),
    ].boxed()
}

/// A sparse file, in one of its formats, right or nearly.
fn sparse() -> BoxedStrategy<Vec<Block>> {
    let parts = prop::collection::vec((0u64..600, 0u64..600), 0..4);
    (parts, 0..4, 0u64..3000, prop::option::of(record()))
        .prop_map(|(parts, format, size, more)| {
            let text = |key: &str, value: String| (format!("GNU.sparse.{key}"), value.into_bytes());
            let stored: u64 = parts.iter().map(|(_, length)| *length).sum();
            let data = vec![b'd'; usize::try_from(stored).unwrap()];
            let (mut end, mut map) = (0, Vec::new());
            for (gap, length) in &parts {
                map.push((end + gap, *length));
                end += gap + length;
            }
            let size = if size % 4 == 0 { size } else { end + size % 3 };
            let listed =
                map.iter().map(|(offset, length)| format!("{offset},{length}")).collect::<Vec<_>>().join(",");
            let mut records = Vec::new();
            let mut content = data;
            match format {
                0 => {
                    records
                        .extend([text("size", size.to_string()), text("numblocks", map.len().to_string())]);
                    for (offset, length) in &map {
                        records.extend([
                            text("offset", offset.to_string()),
                            text("numbytes", length.to_string()),
                        ]);
                    }
                }
                1 => records.extend([
                    text("size", size.to_string()),
                    text("numblocks", map.len().to_string()),
                    text("map", listed),
                    text("name", "s".into()),
                ]),
                2 => records.extend([
                    text("major", "0".into()),
                    text("minor", "1".into()),
                    text("size", size.to_string()),
                    text("numblocks", map.len().to_string()),
                    text("map", listed),
                ]),
                _ => {
                    records.extend([
                        text("major", "1".into()),
                        text("minor", "0".into()),
                        text("realsize", size.to_string()),
                        text("name", "s".into()),
                    ]);
                    let lines = map
                        .iter()
                        .map(|(offset, length)| format!("{offset}\n{length}\n"))
                        .collect::<Vec<_>>()
                        .concat();
                    let mut head = format!("{}\n{lines}", map.len()).into_bytes();
                    head.resize(head.len().next_multiple_of(512), 0);
                    content = [head, content].concat();
                }
            }
            records.extend(more);
            vec![extended(b'x', &records), Block::new(b'0', b"sparse", &content)]
        })
        .boxed()
}

/// An archive: members, what is in front of them, and its end.
pub(super) fn archive() -> impl Strategy<Value = Vec<u8>> {
    let plain = (prop_oneof![5 => Just(Vec::new()), 3 => prop::collection::vec(front(), 1..3)], block())
        .prop_map(|(mut front, block)| {
            front.push(block);
            front
        });
    let member = prop_oneof![6 => plain, 1 => sparse()];
    let end = select(&[1024usize, 1024, 1024, 1024, 10240, 0, 512, 513, 1536]);
    let behind = prop_oneof![20 => Just(Vec::new()), 1 => Just(vec![0; 100]), 1 => Just(b"behind".to_vec()), 1 => block().prop_map(|block| {
        let mut out = Vec::new();
        block.append(&mut out);
        out
    })];
    (prop::collection::vec(member, 0..4), end, behind, prop_oneof![30 => Just(0usize), 1 => 1usize..700])
        .prop_map(|(members, end, behind, cut)| {
            let mut out = Vec::new();
            members.iter().flatten().for_each(|block| block.append(&mut out));
            out.resize(out.len() + end, 0);
            out.extend(behind);
            out.truncate(out.len().saturating_sub(cut));
            out
        })
}
