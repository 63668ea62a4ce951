//! An image's file system, made of layers of few names that meet often.

use arbitrary::{Result, Unstructured};
use strake_image::archive as docker_archive;
use strake_image::flatten::flatten;
use strake_image::tar::{Kind, Member, append_header, block_padding};
use strake_image::testing::{Access, layer as check_layer, members};
use strake_image::{Digest, Error};

use super::memory::{Gather, context, file, said};

/// Layers that the input describes. Their export is a layer, in which every entry stands behind the directory that
/// it is in; exported once more it stays the same.
pub fn file_system(data: &[u8]) {
    let Ok(layers) = layers(&mut Unstructured::new(data)) else { return };
    let flat = match exported(&layers) {
        Ok(flat) => flat,
        Err(error) => return drop(said(&error)),
    };
    check_layer(&flat).expect("an export can be unpacked");
    let mut directories = vec![b"".to_vec()];
    for found in members(&flat, Access::Buffer).expect("an export can be listed") {
        let name = found.member.name.strip_prefix(b"./").unwrap_or(&found.member.name).to_vec();
        let above = name.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &name[..slash]);
        assert!(directories.iter().any(|known| known == above), "{}", name.escape_ascii());
        if found.member.kind == Kind::DIRECTORY {
            directories.push(name);
        }
    }
    let again = exported(std::slice::from_ref(&flat)).expect("an export can be exported");
    assert!(flat == again, "an export is another when it is exported");
}

fn exported(layers: &[Vec<u8>]) -> std::result::Result<Vec<u8>, Error> {
    let (_file, path) = file(&image(layers));
    let image = docker_archive::open(&path, std::path::Path::new("/tmp")).expect("it is an image");
    let context = context();
    let described = context.describe_all(image.layers)?;
    let mut flat = Gather::default();
    let length = flatten(&described, &context, &mut flat)?;
    assert_eq!(length, flat.0.len() as u64);
    Ok(flat.0)
}

/// A docker-archive of these layers.
fn image(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = serde_json::json!({ "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": ["x:1"], "Layers": names }]);
    let mut out = Vec::new();
    let mut put =
        |name: &str, content: &[u8]| append(&Member::file(name, content.len() as u64, 1), content, &mut out);
    put("config.json", config.to_string().as_bytes());
    put("manifest.json", manifest.to_string().as_bytes());
    names.iter().zip(layers).for_each(|(name, layer)| put(name, layer));
    out.resize(out.len() + 1024, 0);
    out
}

fn append(member: &Member, content: &[u8], out: &mut Vec<u8>) {
    append_header(member, out);
    out.extend_from_slice(content);
    out.resize(out.len() + block_padding(content.len() as u64) as usize, 0);
}

fn layers(input: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    let mut layers = Vec::new();
    for _ in 0..input.int_in_range(1..=4)? {
        let mut layer = Vec::new();
        for _ in 0..input.int_in_range(0..=8)? {
            entry(input, &mut layer)?;
        }
        layer.resize(layer.len() + 1024, 0);
        layers.push(layer);
    }
    Ok(layers)
}

fn entry(input: &mut Unstructured<'_>, layer: &mut Vec<u8>) -> Result<()> {
    let name = path(input)?;
    let kinds = [b'0', b'0', b'5', b'5', b'2', b'1', b'6', b'w', b'o', 0];
    let kind = *input.choose(&kinds)?;
    let mode = *input.choose(&[0o755, 0o700, 0o4711])?;
    let mut member =
        Member { mode, kind: Kind(kind), ..Member::file(name.clone(), 0, input.int_in_range(0..=3)?) };
    let above =
        |last: &str| name.rsplit_once('/').map_or(last.to_owned(), |(above, _)| format!("{above}/{last}"));
    let mut content = Vec::new();
    match kind {
        b'0' | 0 => content = vec![b'x'; input.int_in_range(0..=3)?],
        b'1' | b'2' => {
            let start = if kind == b'2' { *input.choose(&["", "/", "../", "./"])? } else { "" };
            member.linkname = format!("{start}{}", path(input)?).into_bytes();
        }
        b'w' => {
            let base = name.rsplit('/').next().unwrap_or("a");
            member.name = above(&format!(".wh.{base}")).into_bytes();
        }
        b'o' => member.name = format!("{name}/.wh..wh..opq").into_bytes(),
        _ => {}
    }
    if matches!(kind, b'w' | b'o') {
        member.kind = Kind::FILE;
    }
    // A size of what has no content counts for nothing.
    member.size =
        if matches!(kind, b'1' | b'2' | b'5') && input.ratio(1, 4)? { 3000 } else { content.len() as u64 };
    append(&member, &content, layer);
    Ok(())
}

fn path(input: &mut Unstructured<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for _ in 0..input.int_in_range(1..=3)? {
        parts.push(*input.choose(&["a", "b", "c", "a", "grüße", "."])?);
    }
    Ok(parts.join("/"))
}
