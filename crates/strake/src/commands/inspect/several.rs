//! An image that is there for several platforms.

use std::collections::HashMap;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strake_image::manifest::ParsedIndex;
use strake_image::parsed::ParsedImage;
use strake_image::{Context, Digest, Document, Platform};

use super::{annotations, cached_sizes, json_text, size, uncompressed};
use crate::cli::Inspect;
use crate::failure::Failure;
use crate::paint::Paint;
use crate::place::Place;
use crate::terminal::{Lines, column, columns, indented_json};

/// The data to be shown.
pub(super) fn shown(
    arguments: &Inspect,
    place: &Place,
    index: ParsedIndex,
    context: &Context,
) -> Result<Vec<u8>, Failure> {
    if arguments.config {
        let platforms: Vec<Platform> = index.images.into_iter().map(|(platform, _)| platform).collect();
        return Err(Failure::several_platforms(place, &platforms));
    }
    Ok(if arguments.raw {
        index.plan.top.into_text()
    } else if arguments.manifest {
        json_text(index.plan.top.into_text(), false)
    } else if arguments.json {
        let mut layers = index.images.iter().flat_map(|(_, image)| &image.layers);
        let sizes = cached_sizes(context, layers.any(|layer| uncompressed(layer).is_none()));
        indented_json(&json(&index, &sizes)).into_bytes()
    } else {
        table(&index).as_bytes().to_vec()
    })
}

fn json(index: &ParsedIndex, cached: &HashMap<Digest, u64>) -> Value {
    let images: Vec<Value> =
        index.images.iter().map(|(platform, one)| image(platform, one, cached)).collect();
    let others: Vec<String> = others(index).map(|digest| digest.to_string()).collect();
    json!({
        "names": index.plan.tags,
        "index": index.plan.top.digest().to_string(),
        "annotations": annotations(index.plan.top.text()),
        "images": images,
        "others": others,
    })
}

fn image(platform: &Platform, image: &ParsedImage, cached: &HashMap<Digest, u64>) -> Value {
    let mut uncompressed = Some(0_u64);
    for (layer, diff_id) in image.layers.iter().zip(&image.config.diff_ids) {
        let size = super::uncompressed(layer).or_else(|| cached.get(diff_id).copied());
        uncompressed = uncompressed.zip(size).map(|(sum, size)| sum.saturating_add(size));
    }
    json!({
        "platform": platform.to_string(),
        "manifest": Digest::of(&image.manifest).to_string(),
        "annotations": annotations(&image.manifest),
        "image_id": Digest::of(&image.config.text).to_string(),
        "layers": image.layers.len(),
        "size": total(image),
        "uncompressed_size": uncompressed,
    })
}

/// The bytes of an image's layers, as they are stored.
fn total(image: &ParsedImage) -> u64 {
    image.layers.iter().map(size).fold(0, u64::saturating_add)
}

/// The digests of the manifests that are no images.
fn others(index: &ParsedIndex) -> impl Iterator<Item = Digest> {
    index.plan.manifests.iter().map(Document::digest)
}

fn table(index: &ParsedIndex) -> Lines {
    let mut lines = Lines::default();
    lines.push_painted(Paint::Bold, format!("{:<16}  {:>6}  {:>11}  manifest", "platform", "layers", "size"));
    for (platform, image) in &index.images {
        let (platform, size) = (column(&platform.to_string()), HumanBytes(total(image)).to_string());
        let (count, digest) = (image.layers.len(), Digest::of(&image.manifest).to_string());
        lines.push_row(&format!("{platform:<16}  {count:>6}  {size:>11}  "), &digest);
    }
    for digest in others(index) {
        lines.push_row(&format!("{:<16}  {:>6}  {:>11}  ", "no image", "", ""), &digest.to_string());
    }
    lines.push("");
    lines.push(format!("{:<12} {}", "index", index.plan.top.digest()));
    if !index.plan.tags.is_empty() {
        lines.push(format!("{:<12} {}", "name", columns(&index.plan.tags)));
    }
    for (key, value) in &annotations(index.plan.top.text()) {
        let (key, value) = (column(key), value.as_str().unwrap_or_default());
        lines.push(format!("{:<12} {key}={value}", "annotation"));
    }
    lines
}
