//! `strake inspect`: what is in an image.

mod several;

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strake_image::destination::FinishError;
use strake_image::digest::Digest;
use strake_image::draft::{Draft, LayerDraft, summary};
use strake_image::engine::Engine;
use strake_image::image::Image;
use strake_image::manifest::{Listing, Manifest, Opened};
use strake_image::parsed::ParsedImage;
use strake_image::recipe::Recipe;
use strake_image::store::Store;

use crate::cli::Inspect;
use crate::failure::Failure;
use crate::place::Source;
use crate::registry::Registries;
use crate::report::printable;
use crate::{finished, place, source};

/// What is shown of an image.
struct Shown {
    names: Vec<String>,
    id: Digest,
    config: Vec<u8>,
    layers: Vec<Row>,
}

struct Row {
    size: u64,
    diff_id: Digest,
    /// Store paths, or what the history says.
    contents: Vec<String>,
}

pub(crate) fn run(arguments: &Inspect) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let text = match place::source(&arguments.source)? {
        Source::Plan(image) => {
            source::no_platform(&arguments.opening.arch.one)?;
            let store_root = &arguments.opening.build.store_root;
            let plan = source::plan_for(arguments.opening.arch.arch.as_deref());
            let spec = source::spec(&image, &plan, store_root, &registries)?;
            let store = Store::new(spec.store_dir.clone(), store_root);
            let draft = super::draft(&spec, &store, SystemTime::now(), &registries)?;
            let image = digested(arguments, draft)?;
            if arguments.manifest || arguments.raw && !arguments.config {
                json_text(Manifest::new(&image, &Listing::default()).text, arguments.raw)
            } else {
                show(arguments, Shown::of(image))
            }
        }
        Source::Image(place) => {
            let image = match finished::opened(&place, arguments.opening.arch.wanted().as_ref(), &registries)?
            {
                Opened::Image(image) => *image,
                Opened::Index(index) => return super::say(&several::shown(arguments, &place, index)?),
            };
            if arguments.raw && !arguments.config {
                image.manifest
            } else if arguments.manifest && image.has_oci_manifest {
                json_text(image.manifest, false)
            } else if arguments.manifest {
                let image = digested(arguments, image.into_draft())?;
                json_text(Manifest::new(&image, &Listing::default()).text, false)
            } else {
                show(arguments, Shown::of_parsed(image))
            }
        }
    };
    super::say(&text)
}

/// Finds out what only reading the layers can tell.
fn digested(arguments: &Inspect, draft: Draft) -> Result<Image, Failure> {
    let cache = super::usable_cache(arguments.opening.build.no_cache, super::warn);
    let engine = Engine {
        cache: cache.as_ref(),
        jobs: arguments.opening.build.jobs.unwrap_or_else(super::all_processors),
        verify: false,
        started: SystemTime::now(),
        digested: &AtomicU64::new(0),
    };
    let layers = engine.describe_all(draft.layers)?;
    let blobs = layers.iter().map(|layer| layer.blob).collect();
    Ok(Image::new(layers, blobs, draft.about).map_err(FinishError::from)?)
}

fn show(arguments: &Inspect, shown: Shown) -> Vec<u8> {
    if arguments.config {
        json_text(shown.config, arguments.raw)
    } else if arguments.json {
        indented(&shown.json())
    } else {
        shown.table().into_bytes()
    }
}

/// JSON for people, or as it is.
fn json_text(text: Vec<u8>, raw: bool) -> Vec<u8> {
    match serde_json::from_slice::<Value>(&text) {
        Ok(value) if !raw => indented(&value),
        _ => text,
    }
}

fn indented(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

impl Shown {
    fn of(image: Image) -> Self {
        let rows = image.layers.iter().map(|layer| Row {
            size: layer.blob.size,
            diff_id: layer.diff_id,
            contents: layer.draft.contents.clone(),
        });
        Self { layers: rows.collect(), id: image.id(), names: image.tags, config: image.config }
    }

    fn of_parsed(image: ParsedImage) -> Self {
        let id = Digest::of(&image.config.text);
        let mut history = image.config.history.into_iter();
        let rows = image.layers.iter().zip(&image.config.diff_ids).map(|(layer, diff_id)| Row {
            size: size(layer),
            diff_id: *diff_id,
            contents: history.next().unwrap_or_default(),
        });
        Self { layers: rows.collect(), id, names: image.tags, config: image.config.text }
    }

    fn json(&self) -> Value {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|row| json!({ "size": row.size, "diff_id": row.diff_id.to_string(), "contents": row.contents }))
            .collect();
        let config: Value = serde_json::from_slice(&self.config).unwrap_or_default();
        json!({ "names": self.names, "image_id": self.id.to_string(), "layers": layers, "config": config })
    }

    fn table(&self) -> String {
        let mut text = format!("{:>5}  {:>11}  {:<12}  contents\n", "layer", "size", "diff id");
        for (row, number) in self.layers.iter().zip(1..) {
            let (size, diff_id) = (HumanBytes(row.size).to_string(), &row.diff_id.hex()[..12]);
            let _ = writeln!(text, "{number:>5}  {size:>11}  {diff_id}  {}", summary(&row.contents));
        }
        let size = HumanBytes(self.layers.iter().map(|row| row.size).fold(0, u64::saturating_add));
        let _ = writeln!(text, "{:>5}  {:>11}\n", "all", size.to_string());
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{name:<12} {}", printable(value));
            }
        };
        line("name", &self.names.join(" "));
        line("id", &self.id.to_string());
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
        text
    }
}

fn size(layer: &LayerDraft) -> u64 {
    match &layer.recipe {
        Recipe::Tarball(tarball) => tarball.size,
        Recipe::StorePaths(_) | Recipe::Files(_) => 0,
    }
}

/// The bytes of layers.
fn total<'l>(layers: impl Iterator<Item = &'l LayerDraft>) -> u64 {
    layers.map(size).fold(0, u64::saturating_add)
}
