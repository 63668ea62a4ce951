//! Third parties choose the names of layers in a docker-archive. The result is a whole archive, whatever they are, or an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use proptest::prelude::*;
use serde_json::{Value, json};
use strake_image::archive::{self, ArchiveTarget};
use strake_image::deliver::{Options, deliver};
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::sink::{Sink, SinkError};
use strake_image::spec::{DraftError, Spec, Surroundings};
use strake_image::tar::{Kind, Member, Writer};
use strake_image::verify::verify;
use strake_image::{Context, Digest, Draft, Error, Output, TargetError};
use strake_testkit::tar_bytes::{self, RawMember};

use crate::fixture::{Fixture, PATHS};

/// A layer of the archive.
#[derive(Clone, Debug)]
struct Named {
    /// As it is listed.
    name: String,
    /// Whether its member is called `./NAME`.
    dotted: bool,
    /// A link leads to the first layer, which is none.
    kind: Kind,
}

struct Gather(Vec<u8>);

impl Sink for Gather {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, _: std::os::fd::BorrowedFd<'_>, _: u64, _: u64) -> Result<(), SinkError> {
        unreachable!("everything comes from memory")
    }
}

const CONFIG: &str = "the-config.json";

/// A docker-archive with these layers; links lead to the first. Returns the archive, and what is in each layer.
fn source(layers: &[Named]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let names: Vec<&str> = layers.iter().map(|layer| &*layer.name).collect();
    let manifest = json!([{"Config": CONFIG, "RepoTags": [], "Layers": names}]).to_string().into_bytes();
    let clean = |name: &str| name.strip_prefix("./").unwrap_or(name).to_owned();
    let mut members: BTreeMap<String, (Member, Vec<u8>)> = BTreeMap::new();
    for (place, layer) in layers.iter().enumerate() {
        let name = clean(&layer.name);
        let is_link = layer.kind != Kind::FILE && place > 0;
        let file = RawMember::new(b'0', "file", format!("content {name}").as_bytes());
        let content = if is_link { Vec::new() } else { tar_bytes::archive(&[file]) };
        let in_archive = if layer.dotted { format!("./{name}") } else { name.clone() };
        let up = name.matches('/').count();
        let target = clean(&layers[0].name);
        let linkname = match layer.kind {
            Kind::SYMLINK if is_link => format!("{}{target}", "../".repeat(up)),
            _ if is_link => target,
            _ => String::new(),
        };
        let kind = if is_link { layer.kind } else { Kind::FILE };
        let linkname = linkname.into_bytes();
        let member = Member { kind, linkname, ..Member::file(in_archive, content.len() as u64, 1) };
        members.entry(name).or_insert((member, content));
    }
    let file = |name: &str, content: &[u8]| (Member::file(name, content.len() as u64, 1), content.to_vec());
    members.insert("manifest.json".to_owned(), file("manifest.json", &manifest));
    let content = |name: &str| {
        let (member, content) = &members[&clean(name)];
        if member.kind.is_file() { content.clone() } else { members[&clean(&layers[0].name)].1.clone() }
    };
    let contents: Vec<Vec<u8>> = layers.iter().map(|layer| content(&layer.name)).collect();
    let diff_ids: Vec<String> = contents.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    members.insert(CONFIG.to_owned(), file(CONFIG, config.to_string().as_bytes()));
    let mut out = Gather(Vec::new());
    let mut tar = Writer::new(&mut out);
    for (member, content) in members.values() {
        tar.member(member).unwrap();
        tar.bytes(content).unwrap();
    }
    tar.finish().unwrap();
    (out.0, contents)
}

/// The image in the archive alone, and as the base of another one.
fn drafts(fixture: &Fixture, archive: &Path) -> Result<[Draft; 2], OpenError> {
    let open = || archive::open(archive, &std::env::temp_dir());
    let conf = json!({
        "architecture": "amd64", "config": {}, "os": "linux", "store_dir": "/nix/store", "from_image": "it",
        "store_layers": [[PATHS[0]]], "customisation": {}, "repo_tag": "test:1", "inherit": "all",
        "created": "1970-01-01T00:00:01+00:00", "mtime": "1970-01-01T00:00:01+00:00", "uid": 0, "gid": 0,
        "uname": "root", "gname": "root",
    });
    let surroundings = Surroundings::new(&fixture.context.store, SystemTime::UNIX_EPOCH);
    let spec = Spec::parse(conf.to_string().as_bytes()).unwrap();
    let base: ParsedImage = open()?;
    let on = spec.draft::<DraftError>(&surroundings, |_| Ok(base)).unwrap();
    Ok([open()?.into_draft(), on])
}

fn delivered(context: &Context, draft: Draft, to: &Path) -> Result<Vec<Digest>, TargetError> {
    let output = Output::create(to).unwrap();
    let target = ArchiveTarget::new(output, 1, &context.progress.written).unwrap();
    let done = deliver(context, draft.into(), &mut [Box::new(target)], &Options::default(), &|_| {})?;
    Ok(done.images[0].layers.iter().map(|one| one.layer.diff_id).collect())
}

/// The paths that an archive is unpacked to, with what is there.
fn unpacked(archive: &[u8]) -> BTreeMap<Vec<String>, Vec<u8>> {
    let mut found: BTreeMap<Vec<String>, Vec<u8>> = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let path: Vec<String> =
            name.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
        assert!(!name.starts_with('/') && !path.iter().any(|part| part == ".."), "{name}");
        let mut content = Vec::new();
        if let Some(link) = entry.link_name_bytes() {
            let link = String::from_utf8(link.into_owned()).unwrap();
            let mut at = if entry.header().entry_type().is_symlink() { path.clone() } else { Vec::new() };
            at.pop();
            for part in link.split('/') {
                if part == ".." { drop(at.pop().unwrap()) } else { at.push(part.to_owned()) }
            }
            // Links are to a file in front of them or behind.
            content = format!("link to {}", at.join("/")).into_bytes();
        }
        entry.read_to_end(&mut content).unwrap();
        // A member may come twice only as the same.
        assert!(found.insert(path, content.clone()).is_none_or(|other| other == content), "{name}");
    }
    let names: BTreeSet<&Vec<String>> = found.keys().collect();
    for name in &names {
        assert!((1..name.len()).all(|end| !names.contains(&name[..end].to_vec())), "{name:?} lies in a file");
    }
    found
}

/// Whether all names can stand beside one another and beside what strake adds.
fn is_possible(names: &[String], contents: &[Vec<u8>], own: &[String]) -> bool {
    let clean = |name: &String| name.strip_prefix("./").unwrap_or(name).to_owned();
    let reserved = ["manifest.json", "repositories", "oci-layout", "index.json"].map(str::to_owned);
    let names: Vec<String> = names.iter().map(clean).collect();
    let all: Vec<(&String, Option<&Vec<u8>>)> = names
        .iter()
        .zip(contents.iter().map(Some))
        .chain(own.iter().chain(&reserved).map(|name| (name, None)))
        .collect();
    all.iter().enumerate().all(|(place, (one, content))| {
        all.iter().skip(place + 1).all(|(other, others)| {
            let apart = !one.starts_with(&format!("{other}/")) && !other.starts_with(&format!("{one}/"));
            apart && (one != other || (content.is_some() && content == others))
        })
    })
}

fn check(fixture: &Fixture, layers: &[Named]) {
    let place = tempfile::tempdir().unwrap();
    let (text, contents) = source(layers);
    let (from, to) = (place.path().join("from.tar"), place.path().join("to.tar"));
    fs::write(&from, text).unwrap();
    let plain = |name: &str| {
        let name = name.strip_prefix("./").unwrap_or(name);
        !name.contains('\0') && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
    };
    let drafts = match drafts(fixture, &from) {
        Ok(drafts) => drafts,
        Err(error) => {
            assert!(matches!(error, OpenError::UnsafeName(_)), "{error:?}");
            assert!(!layers.iter().all(|layer| plain(&layer.name)), "{layers:?}");
            return;
        }
    };
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    for draft in drafts {
        let own: Vec<_> = fixture.context.describe_all(draft.layers.clone()).unwrap();
        let own: Vec<String> =
            own.iter().skip(layers.len()).map(|layer| format!("{}/layer.tar", layer.diff_id.hex())).collect();
        let is_possible = is_possible(&names, &contents, &own);
        match delivered(&fixture.context, draft, &to) {
            Ok(diff_ids) => {
                assert!(is_possible, "{layers:?}");
                let archive = fs::read(&to).unwrap();
                let found = unpacked(&archive);
                let manifest: Value =
                    serde_json::from_slice(&found[&vec!["manifest.json".to_owned()]]).unwrap();
                assert_eq!(manifest[0]["Layers"].as_array().unwrap().len(), diff_ids.len());
                let image = archive::open(&to, &std::env::temp_dir()).unwrap();
                assert_eq!(image.config.diff_ids, diff_ids);
                assert!(diff_ids.iter().zip(&contents).all(|(id, content)| *id == Digest::of(content)));
                let problems = verify(image, &Context { verify: true, ..fixture.context.clone() });
                let is_of_name = |problem: &String| problem.contains("is not a name");
                let problems: Vec<_> =
                    problems.iter().map(ToString::to_string).filter(|it| !is_of_name(it)).collect();
                assert!(problems.is_empty(), "{problems:?}");
            }
            Err(TargetError::Write(Error::Name { .. })) => {
                assert!(!is_possible, "{layers:?}");
                assert!(!to.exists());
            }
            Err(error) => panic!("{layers:?}: {error:?}"),
        }
        let _ = fs::remove_file(&to);
    }
}

fn file(name: &str) -> Named {
    Named { name: name.to_owned(), dotted: false, kind: Kind::FILE }
}

#[test]
fn names_that_meet() {
    let fixture = Fixture::new();
    let own = fixture.context.describe_all(fixture.draft("amd64").layers).unwrap()[0].diff_id.hex();
    for names in [
        &["manifest.json"][..],
        &["./manifest.json"],
        &["repositories"],
        &["oci-layout"],
        &["index.json"],
        &["index.json/layer.tar"],
        &["a", "a/b"],
        &["a/b/c", "a"],
        &[&format!("{own}/layer.tar")],
        &[&own],
        &[&format!("{own}/layer.tar/more")],
    ] {
        let (text, _) = source(&names.iter().map(|name| file(name)).collect::<Vec<_>>());
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from.tar"), place.path().join("to.tar"));
        fs::write(&from, text).unwrap();
        let [_, on] = drafts(&fixture, &from).unwrap();
        let refused = delivered(&fixture.context, on, &to);
        assert!(matches!(refused, Err(TargetError::Write(Error::Name { .. }))), "{names:?}: {refused:?}");
        assert!(!to.exists());
    }
    // The name of the config that comes of it, which names no layer.
    let (text, _) = source(&[file("layer")]);
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from.tar"), place.path().join("to.tar"));
    fs::write(&from, text).unwrap();
    let config = Digest::of(&archive::open(&from, &std::env::temp_dir()).unwrap().config.text).hex();
    for name in [format!("{config}.json"), format!("{config}.json/layer.tar")] {
        let mut image = archive::open(&from, &std::env::temp_dir()).unwrap();
        let member = image.layers[0].member.as_mut().unwrap();
        member.name = name.into_bytes();
        let refused = delivered(&fixture.context, image.into_draft(), &to);
        assert!(matches!(refused, Err(TargetError::Write(Error::Name { .. }))), "{refused:?}");
        assert!(!to.exists());
    }
}

const FIXED: &[&str] = &[
    "manifest.json",
    "Manifest.json",
    "repositories",
    "oci-layout",
    "index.json",
    "blobs/sha256/x",
    "a",
    "b",
    "A",
    "a/b",
    "a/b/c",
    "b/layer.tar",
    "manifest.json/layer.tar",
    "/a",
    "../a",
    "a/..",
    "a/",
    "a//b",
    "",
    ".",
    "./.",
    "\u{fc}/\u{5c64}.tar",
    "\u{202e}a",
    "a\nb",
    "a b",
    ".wh.a",
];

/// `OWN` stands for the diff id of the image's own layer.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(FIXED).prop_map(str::to_owned),
        1 => Just("OWN/layer.tar".to_owned()),
        1 => Just("OWN".to_owned()),
        1 => (50_usize..400).prop_map(|length| "n".repeat(length)),
        1 => (50_usize..400).prop_map(|length| "d/".repeat(length) + "layer.tar"),
        1 => "[a-c/.]{1,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_names(seeds in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>(), 0..5_u8), 1..5), pool in prop::collection::vec(names(), 8)) {
        thread_local!(static FIXTURE: (Fixture, String) = {
            let fixture = Fixture::new();
            let own = fixture.context.describe_all(fixture.draft("amd64").layers).unwrap()[0].diff_id.hex();
            (fixture, own)
        });
        FIXTURE.with(|(fixture, own)| {
            let layer = |(index, prefix, dotted, kind): (prop::sample::Index, bool, bool, u8)| {
                let name = index.get(&pool).replace("OWN", own);
                let name = if prefix { format!("./{name}") } else { name };
                let kind = match kind { 0 => Kind::SYMLINK, 1 => Kind::HARD_LINK, _ => Kind::FILE };
                Named { name, dotted, kind }
            };
            let layers: Vec<Named> = seeds.into_iter().map(layer).collect();
            check(fixture, &layers);
        });
    }
}
