//! An image that is there for several platforms.

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strake_image::manifest::ParsedIndex;
use strake_image::parsed::ParsedImage;
use strake_image::{Digest, Document, Platform};

use super::{json_text, total};
use crate::cli::Inspect;
use crate::failure::Failure;
use crate::place::Place;
use crate::terminal::{Lines, column, columns, indented_json};

/// What is to be shown.
pub(super) fn shown(arguments: &Inspect, place: &Place, index: ParsedIndex) -> Result<Vec<u8>, Failure> {
    if arguments.config {
        let platforms: Vec<Platform> = index.images.into_iter().map(|(platform, _)| platform).collect();
        return Err(Failure::several_platforms(place, &platforms));
    }
    Ok(if arguments.raw {
        index.plan.top.into_text()
    } else if arguments.manifest {
        json_text(index.plan.top.into_text(), false)
    } else if arguments.json {
        indented_json(&json(&index)).into_bytes()
    } else {
        table(&index).as_bytes().to_vec()
    })
}

fn json(index: &ParsedIndex) -> Value {
    let images: Vec<Value> = index.images.iter().map(image).collect();
    let others: Vec<String> = others(index).map(|digest| digest.to_string()).collect();
    json!({
        "names": index.plan.tags,
        "index": index.plan.top.digest().to_string(),
        "images": images,
        "others": others,
    })
}

fn image((platform, image): &(Platform, ParsedImage)) -> Value {
    json!({
        "platform": platform.to_string(),
        "manifest": Digest::of(&image.manifest).to_string(),
        "image_id": Digest::of(&image.config.text).to_string(),
        "layers": image.layers.len(),
        "size": total(image.layers.iter()),
    })
}

/// The digests of the manifests that are no images.
fn others(index: &ParsedIndex) -> impl Iterator<Item = Digest> {
    index.plan.manifests.iter().map(Document::digest)
}

fn table(index: &ParsedIndex) -> Lines {
    let mut lines = Lines::default();
    lines.push(format!("{:<16}  {:>6}  {:>11}  manifest", "platform", "layers", "size"));
    for (platform, image) in &index.images {
        let (platform, size) = (column(&platform.to_string()), HumanBytes(total(image.layers.iter())));
        let (count, digest) = (image.layers.len(), Digest::of(&image.manifest));
        lines.push(format!("{platform:<16}  {count:>6}  {:>11}  {digest}", size.to_string()));
    }
    for digest in others(index) {
        lines.push(format!("{:<16}  {:>6}  {:>11}  {digest}", "no image", "", ""));
    }
    lines.push("");
    lines.push(format!("{:<12} {}", "index", index.plan.top.digest()));
    if !index.plan.tags.is_empty() {
        lines.push(format!("{:<12} {}", "name", columns(&index.plan.tags)));
    }
    lines
}
