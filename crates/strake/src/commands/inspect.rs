//! `strake inspect`: what is in an image.

mod several;

use std::collections::HashMap;

use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use strake_image::manifest::{Listing, of_image};
use strake_image::parsed::ParsedImage;
use strake_image::recipe::{Recipe, Tarball};
use strake_image::{Context, Digest, Image, ImageLayer, LayerDraft, summary};

use crate::cli::Inspect;
use crate::failure::Failure;
use crate::output;
use crate::paint::Paint;
use crate::registry::Registries;
use crate::source::{self, OpenedSource};
use crate::terminal::{Lines, column, columns, indented_json};

/// The data that is shown of an image.
struct Shown {
    names: Vec<String>,
    id: Digest,
    /// The manifest, where there is one, or as it would be in an OCI layout.
    manifest: Option<Vec<u8>>,
    config: Vec<u8>,
    layers: Vec<Row>,
}

struct Row {
    digest: Option<Digest>,
    /// Bytes as they are stored, and uncompressed if that is known.
    size: u64,
    uncompressed: Option<u64>,
    diff_id: Digest,
    /// Store paths, or what the history says.
    contents: Vec<String>,
}

pub(crate) fn run(arguments: &Inspect) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.opening.build, false, &mut warnings);
    let arch = &arguments.opening.arch;
    let source = source::open_source(&arguments.source, arch, &context, &registries, &mut warnings)?;
    super::warn_all(&warnings);
    let text = match source {
        OpenedSource::Index(place, index) => several::shown(arguments, &place, *index, &context)?,
        OpenedSource::Draft(draft) => {
            let image = context.describe_image(draft)?;
            if arguments.manifest || arguments.raw && !arguments.config {
                json_text(of_image(&image, &Listing::default()).into_text(), arguments.raw)
            } else {
                show(arguments, Shown::of(image, &context))
            }
        }
        OpenedSource::Image(_, image) if arguments.raw && !arguments.config => image.manifest,
        OpenedSource::Image(_, image) if arguments.manifest && image.has_oci_manifest => {
            json_text(image.manifest, false)
        }
        OpenedSource::Image(_, image) if arguments.manifest => {
            let image = context.describe_image(image.into_draft())?;
            json_text(of_image(&image, &Listing::default()).into_text(), false)
        }
        OpenedSource::Image(_, image) => show(arguments, Shown::of_parsed(*image, &context)),
    };
    output::say_data(&text)
}

fn show(arguments: &Inspect, shown: Shown) -> Vec<u8> {
    if arguments.config {
        json_text(shown.config, arguments.raw)
    } else if arguments.json {
        indented_json(&shown.json()).into_bytes()
    } else {
        shown.table().as_bytes().to_vec()
    }
}

/// JSON for people, or as it is.
fn json_text(text: Vec<u8>, raw: bool) -> Vec<u8> {
    match serde_json::from_slice::<Value>(&text) {
        Ok(value) if !raw => indented_json(&value).into_bytes(),
        _ => text,
    }
}

impl Shown {
    fn of(image: Image, context: &Context) -> Self {
        let manifest = Some(of_image(&image, &Listing::default()).into_text());
        let rows = image.layers.iter().map(|ImageLayer { layer, .. }| Row {
            digest: Some(layer.stored.digest),
            size: layer.stored.size,
            uncompressed: layer.is_plain().then_some(layer.stored.size),
            diff_id: layer.diff_id,
            contents: layer.draft.contents.names(),
        });
        let (layers, id) = (rows.collect(), image.id());
        Self { layers, id, names: image.tags, manifest, config: image.config.into_text() }.measured(context)
    }

    fn of_parsed(image: ParsedImage, context: &Context) -> Self {
        let id = Digest::of(&image.config.text);
        let mut history = image.config.history.into_iter();
        let rows = image.layers.iter().zip(&image.config.diff_ids).map(|(layer, diff_id)| Row {
            digest: tarball(layer).and_then(|tarball| tarball.digest),
            size: size(layer),
            uncompressed: uncompressed(layer),
            diff_id: *diff_id,
            contents: history.next().unwrap_or_default(),
        });
        let layers = rows.collect();
        let manifest = image.has_oci_manifest.then_some(image.manifest);
        Self { layers, id, names: image.tags, manifest, config: image.config.text }.measured(context)
    }

    /// Adds the uncompressed sizes that the cache has: of layers that were made here.
    fn measured(mut self, context: &Context) -> Self {
        let sizes = cached_sizes(context, self.layers.iter().any(|row| row.uncompressed.is_none()));
        for row in &mut self.layers {
            row.uncompressed = row.uncompressed.or_else(|| sizes.get(&row.diff_id).copied());
        }
        self
    }

    /// The manifest's digest and annotations.
    fn manifest(&self) -> (Option<String>, Map<String, Value>) {
        let digest = self.manifest.as_deref().map(|text| Digest::of(text).to_string());
        (digest, self.manifest.as_deref().map(annotations).unwrap_or_default())
    }

    /// Bytes of all layers, as they are stored and uncompressed.
    fn sizes(&self) -> (u64, Option<u64>) {
        let size = self.layers.iter().map(|row| row.size).fold(0, u64::saturating_add);
        let mut uncompressed = self.layers.iter().map(|row| row.uncompressed);
        (size, uncompressed.try_fold(0_u64, |sum, size| Some(sum.saturating_add(size?))))
    }

    fn json(&self) -> Value {
        let layer = |row: &Row| {
            json!({
                "digest": row.digest.map(|digest| digest.to_string()),
                "size": row.size,
                "uncompressed_size": row.uncompressed,
                "diff_id": row.diff_id.to_string(),
                "contents": row.contents,
            })
        };
        let layers: Vec<Value> = self.layers.iter().map(layer).collect();
        let config: Value = serde_json::from_slice(&self.config).unwrap_or_default();
        let ((manifest, annotations), (size, uncompressed)) = (self.manifest(), self.sizes());
        json!({
            "names": self.names,
            "manifest": manifest,
            "annotations": annotations,
            "image_id": self.id.to_string(),
            "size": size,
            "uncompressed_size": uncompressed,
            "layers": layers,
            "config": config,
        })
    }

    fn table(&self) -> Lines {
        let mut lines = Lines::default();
        let head =
            format!("{:>5}  {:>11}  {:>12}  {:<12}  contents", "layer", "size", "uncompressed", "diff id");
        lines.push_painted(Paint::Bold, head);
        for (row, number) in self.layers.iter().zip(1..) {
            let (size, diff_id) = (HumanBytes(row.size).to_string(), &row.diff_id.hex()[..12]);
            let front = format!("{number:>5}  {size:>11}  {:>12}  {diff_id}  ", human(row.uncompressed));
            lines.push_row(&front, &summary(&row.contents));
        }
        let (size, uncompressed) = self.sizes();
        lines.push(format!(
            "{:>5}  {:>11}  {:>12}",
            "all",
            HumanBytes(size).to_string(),
            human(uncompressed)
        ));
        lines.push("");
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{name:<12} {value}"));
            }
        };
        line("name", &columns(&self.names));
        let (manifest, annotations) = self.manifest();
        line("manifest", &manifest.unwrap_or_default());
        line("id", &self.id.to_string());
        for (key, value) in &annotations {
            line("annotation", &format!("{}={}", column(key), value.as_str().unwrap_or_default()));
        }
        let config: Value = serde_json::from_slice(&self.config).unwrap_or_default();
        let word = |key: &str| config[key].as_str().unwrap_or_default();
        line("platform", &format!("{}/{}", word("os"), word("architecture")));
        line("created", word("created"));
        for key in [
            "Entrypoint",
            "Cmd",
            "Env",
            "User",
            "WorkingDir",
            "ExposedPorts",
            "Volumes",
            "Labels",
            "StopSignal",
        ] {
            match &config["config"][key] {
                Value::Null => {}
                Value::String(value) => line(key, value),
                value => line(key, &value.to_string()),
            }
        }
        lines
    }
}

/// A size that may be unknown.
fn human(size: Option<u64>) -> String {
    size.map_or_else(|| "unknown".to_owned(), |size| HumanBytes(size).to_string())
}

/// The annotations of a manifest or an index.
fn annotations(text: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice::<Value>(text) {
        Ok(mut manifest) => match manifest["annotations"].take() {
            Value::Object(annotations) => annotations,
            _ => Map::new(),
        },
        Err(_) => Map::new(),
    }
}

/// The sizes of layers that the cache has, by diff id, if they are needed.
fn cached_sizes(context: &Context, are_needed: bool) -> HashMap<Digest, u64> {
    let layers = context.cache.as_ref().filter(|_| are_needed).and_then(|cache| cache.layers().ok());
    layers.into_iter().flatten().map(|layer| (layer.digest, layer.size)).collect()
}

fn tarball(layer: &LayerDraft) -> Option<&Tarball> {
    match &layer.recipe {
        Recipe::Tarball(tarball) => Some(tarball),
        Recipe::StorePaths(_) | Recipe::Files(_) => None,
    }
}

fn size(layer: &LayerDraft) -> u64 {
    tarball(layer).map_or(0, |tarball| tarball.size)
}

/// The size of a layer that is not compressed.
fn uncompressed(layer: &LayerDraft) -> Option<u64> {
    tarball(layer).filter(|tarball| matches!(tarball.codec(), Ok(None))).map(|tarball| tarball.size)
}
