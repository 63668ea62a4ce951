//! docker-archives: in what strake takes, all programs find the same image.

use std::cell::RefCell;
use std::io::Write;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use strake_image::archive::open;
use strake_image::parsed::ParsedImage;
use strake_image::verify::verify;
use strake_image::{Context, Digest, Store};
use strake_plan::StoreDir;

use super::members::{Block, Number, extended};
use super::{Count, Readers, runner};
use crate::fixture::{gzip, layer};

/// How a layer is stored.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Plain,
    Gzip,
    /// As two members.
    Twice,
    /// With something behind it, with a wrong checksum, without its end.
    Behind,
    Wrong,
    Cut,
}

/// A change to the members of a valid archive.
#[derive(Clone, Debug)]
enum Change {
    /// A member once more, in front of all or behind them, the same or with other content.
    Again {
        of: Index,
        first: bool,
        other: bool,
    },
    /// A member becomes a link to another, or to one that has its content.
    Link {
        of: Index,
        kind: u8,
        to: Index,
        form: usize,
    },
    /// A member stands in what looks like the content of one that has none.
    Hidden {
        of: Index,
        kind: u8,
    },
    /// A name in another form: of a member, or in `manifest.json`.
    Renamed {
        of: Index,
        form: usize,
    },
    Listed {
        of: Index,
        form: usize,
    },
    /// A name in an extended header, or in one of GNU's.
    Extended {
        of: Index,
        gnu: bool,
        same: bool,
    },
    /// A record about the size.
    Sized {
        of: Index,
        by: i64,
    },
    Kind {
        of: Index,
        kind: u8,
    },
    Moved {
        of: Index,
    },
    /// This number of blocks of zeros in front of a member.
    Zeros {
        of: Index,
        count: usize,
    },
    /// Another image in front of it, or behind.
    Image {
        first: bool,
    },
    /// The config says that the blobs are the layers.
    BlobsAsLayers,
    /// The bytes behind the end, or missing there.
    End(&'static [u8], usize),
}

/// The contents of an archive.
#[derive(Clone, Debug)]
enum Item {
    Member(Box<Block>),
    Raw(Vec<u8>),
}

impl Item {
    fn of(block: Block) -> Self {
        Self::Member(Box::new(block))
    }
}

fn change() -> impl Strategy<Value = Change> {
    let of = any::<Index>;
    prop_oneof![
        4 => (of(), any::<bool>(), any::<bool>()).prop_map(|(of, first, other)| Change::Again { of, first, other }),
        4 => (of(), select(b"12"), of(), 0..6usize).prop_map(|(of, kind, to, form)| Change::Link { of, kind, to, form }),
        2 => (of(), select(b"123456")).prop_map(|(of, kind)| Change::Hidden { of, kind }),
        2 => (of(), 0..6usize).prop_map(|(of, form)| Change::Renamed { of, form }),
        2 => (of(), 0..6usize).prop_map(|(of, form)| Change::Listed { of, form }),
        2 => (of(), any::<bool>(), any::<bool>()).prop_map(|(of, gnu, same)| Change::Extended { of, gnu, same }),
        1 => (of(), -600i64..600).prop_map(|(of, by)| Change::Sized { of, by }),
        1 => (of(), select(b"\x00734567SVx")).prop_map(|(of, kind)| Change::Kind { of, kind }),
        2 => of().prop_map(|of| Change::Moved { of }),
        1 => (of(), 1..3usize).prop_map(|(of, count)| Change::Zeros { of, count }),
        1 => any::<bool>().prop_map(|first| Change::Image { first }),
        1 => Just(Change::BlobsAsLayers),
        1 => (select(vec![&b""[..], b"x", &[0; 512]]), 0..1600usize).prop_map(|(behind, cut)| Change::End(behind, if behind.is_empty() { cut } else { 0 })),
    ]
}

/// A name that may be the same to some.
fn formed(name: &str, form: usize) -> String {
    match form {
        0 => format!("./{name}"),
        1 => format!("/{name}"),
        2 => format!("x/../{name}"),
        3 => format!("{name}/"),
        4 => name.replacen('/', "//", 1),
        _ => name.to_owned(),
    }
}

fn archive(stored: &[Stored], changes: &[Change]) -> Vec<u8> {
    let plain: Vec<Vec<u8>> = (0..stored.len()).map(|number| layer(&format!("file-{number}"))).collect();
    let blob = |(stored, plain): (&Stored, &Vec<u8>)| match stored {
        Stored::Plain => plain.clone(),
        Stored::Gzip => gzip(plain),
        Stored::Twice => [gzip(&plain[..700]), gzip(&plain[700..])].concat(),
        Stored::Behind => [gzip(plain), b"behind".to_vec()].concat(),
        Stored::Wrong => {
            let mut blob = gzip(plain);
            let place = blob.len() - 6;
            blob[place] ^= 1;
            blob
        }
        Stored::Cut => gzip(plain)[..40].to_vec(),
    };
    let blobs: Vec<Vec<u8>> = stored.iter().zip(&plain).map(blob).collect();
    let mut names: Vec<String> = (0..stored.len()).map(|number| format!("{number}/layer.tar")).collect();
    let is_blobs = changes.iter().any(|change| matches!(change, Change::BlobsAsLayers));
    let diff_ids: Vec<String> =
        if is_blobs { &blobs } else { &plain }.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let mut items: Vec<Item> = names
        .iter()
        .zip(&blobs)
        .map(|(name, blob)| Item::of(Block::new(b'0', name.as_bytes(), blob)))
        .collect();
    items.push(Item::of(Block::new(b'0', b"config.json", config.to_string().as_bytes())));
    for change in changes {
        if let Change::Listed { of, form } = change
            && !names.is_empty()
        {
            let name = of.get_mut(&mut names);
            *name = formed(name, *form);
        }
    }
    let mut images = vec![json!({ "Config": "config.json", "RepoTags": ["x:1"], "Layers": names })];
    for change in changes {
        if let Change::Image { first } = change {
            let other = json!({ "Config": "config.json", "RepoTags": ["y:1"], "Layers": [] });
            images.insert(if *first { 0 } else { images.len() }, other);
        }
    }
    items.push(Item::of(Block::new(b'0', b"manifest.json", Value::from(images).to_string().as_bytes())));
    for change in changes {
        apply(&mut items, change);
    }
    let mut out = Vec::new();
    for item in &items {
        match item {
            Item::Member(block) => block.append(&mut out),
            Item::Raw(bytes) => out.extend(bytes),
        }
    }
    out.resize(out.len() + 1024, 0);
    for change in changes {
        if let Change::End(behind, cut) = change {
            out.extend(*behind);
            out.truncate(out.len() - cut.min(&out.len()));
        }
    }
    out
}

fn apply(items: &mut Vec<Item>, change: &Change) {
    let names: Vec<Vec<u8>> = items
        .iter()
        .map(|item| if let Item::Member(block) = item { block.name.clone() } else { Vec::new() })
        .collect();
    let of_member = |of: &Index| {
        let place = of.index(items.len());
        if let Item::Member(block) = &items[place] { Some((place, Block::clone(block))) } else { None }
    };
    match change {
        Change::Again { of, first, other } => {
            let Some((_, mut block)) = of_member(of) else { return };
            if *other && !block.content.is_empty() {
                let content =
                    String::from_utf8_lossy(&block.content).replace("x:1", "z:1").replace("amd64", "arm64");
                block.content =
                    if content.as_bytes() == block.content { layer("other") } else { content.into_bytes() };
                block.numbers[3] = Number::plain(block.content.len().cast_signed() as i64);
            }
            items.insert(if *first { 0 } else { items.len() }, Item::of(block));
        }
        Change::Link { of, kind, to, form } => {
            let Some((place, block)) = of_member(of) else { return };
            let target = to.get(&names).clone();
            // The content moves to another name, and a link is left.
            let is_moved = to.index(3) == 0;
            let target = if is_moved { b"content".to_vec() } else { target };
            let text = formed(&String::from_utf8_lossy(&target), *form);
            let up = if *kind == b'2' && block.name.contains(&b'/') && *form != 1 { "../" } else { "" };
            let mut link = Block::new(*kind, &block.name, b"");
            link.link = format!("{up}{text}").into_bytes();
            items[place] = Item::of(link);
            if is_moved {
                items.insert(place, Item::of(Block { name: target, ..block }));
            }
        }
        Change::Hidden { of, kind } => {
            let Some((_, block)) = of_member(of) else { return };
            let mut hidden = Vec::new();
            Block {
                content: String::from_utf8_lossy(&block.content).replace("x:1", "h:1").into_bytes(),
                ..block
            }
            .append(&mut hidden);
            items.push(Item::of(Block::new(*kind, b"empty", &hidden)));
        }
        Change::Renamed { of, form } => {
            let Some((place, mut block)) = of_member(of) else { return };
            block.name = formed(&String::from_utf8_lossy(&block.name), *form).into_bytes();
            items[place] = Item::of(block);
        }
        Change::Extended { of, gnu, same } => {
            let Some((place, mut block)) = of_member(of) else { return };
            let name = block.name.clone();
            if *same {
                block.name = b"field".to_vec();
                items[place] = Item::of(block);
            }
            let said = if *same { name } else { b"other".to_vec() };
            let header = if *gnu {
                Block::new(b'L', b"long", &said)
            } else {
                extended(b'x', &[("path".to_owned(), said)])
            };
            items.insert(place, Item::of(header));
        }
        Change::Sized { of, by } => {
            let Some((place, block)) = of_member(of) else { return };
            let size = (block.content.len().cast_signed() as i64 + by).max(0).to_string();
            items.insert(place, Item::of(extended(b'x', &[("size".to_owned(), size.into_bytes())])));
        }
        Change::Kind { of, kind } => {
            let Some((place, block)) = of_member(of) else { return };
            items[place] = Item::of(Block { kind: *kind, ..block });
        }
        Change::Moved { of } => {
            let item = items.remove(of.index(items.len()));
            items.push(item);
        }
        Change::Zeros { of, count } => items.insert(of.index(items.len()), Item::Raw(vec![0; 512 * count])),
        Change::Listed { .. } | Change::Image { .. } | Change::BlobsAsLayers | Change::End(..) => {}
    }
}

/// The image, if nothing is wrong with it.
fn taken(archive: &[u8]) -> Option<ParsedImage> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(archive).unwrap();
    let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/");
    let context = Context::new(store, || std::time::SystemTime::UNIX_EPOCH);
    let opened = || open(file.path(), &std::env::temp_dir()).ok();
    verify(opened()?, &context).is_empty().then(opened)?
}

fn compare(image: &ParsedImage, is_mixed: bool, found: &Value) -> Result<(), String> {
    let diff_ids: Vec<String> = image.config.diff_ids.iter().map(Digest::to_string).collect();
    let ours = (
        Value::from(Digest::of(&image.config.text).to_string()),
        Value::from(image.tags.clone()),
        Value::from(diff_ids),
    );
    for (reader, found) in found.as_object().unwrap() {
        // It looks at the first layer alone to know whether all are compressed (docs/copy.md).
        if reader == "go-containerregistry" && is_mixed {
            continue;
        }
        if let Some(error) = found.get("error") {
            // It looks for members by names as they are written, follows no link, and takes no archive for an empty one: that is no
            // other image.
            if reader == "go-containerregistry" {
                continue;
            }
            return Err(format!("{reader} refuses it: {error}"));
        }
        let found = &found["value"];
        let or_list = |value: &Value| if value.is_null() { Value::Array(Vec::new()) } else { value.clone() };
        let theirs = (found["Config"].clone(), or_list(&found["Tags"]), or_list(&found["DiffIDs"]));
        if ours != theirs {
            return Err(format!("{ours:?} is {theirs:?} to {reader}"));
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs readers"]
fn archives_as_go_reads_them() {
    let readers = RefCell::new(Readers::start());
    let count = RefCell::new(Count::default());
    let stored = || {
        select(&[
            Stored::Plain,
            Stored::Plain,
            Stored::Gzip,
            Stored::Gzip,
            Stored::Twice,
            Stored::Behind,
            Stored::Wrong,
            Stored::Cut,
        ])
    };
    let cases = (prop::collection::vec(stored(), 0..3), prop::collection::vec(change(), 0..4));
    let ran = runner(file!()).run(&cases, |(stored, changes)| {
        let archive = archive(&stored, &changes);
        let is_plain = |stored: &&Stored| matches!(stored, Stored::Plain);
        let is_mixed = ![0, stored.len()].contains(&stored.iter().filter(is_plain).count());
        let Some(image) = taken(&archive) else {
            count.borrow_mut().refused += 1;
            return Ok(());
        };
        count.borrow_mut().taken += 1;
        let found = readers.borrow_mut().ask(b'a', &archive);
        prop_assert_eq!(compare(&image, is_mixed, &found), Ok(()));
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    count.into_inner().finish("docker-archives");
}
