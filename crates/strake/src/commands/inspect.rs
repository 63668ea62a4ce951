//! `strake inspect`: what is in an image.

mod several;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strake_image::manifest::{Listing, of_image};
use strake_image::parsed::ParsedImage;
use strake_image::recipe::Recipe;
use strake_image::{Digest, Image, ImageLayer, LayerDraft, summary};

use crate::cli::Inspect;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::source::{self, OpenedSource};
use crate::terminal::{Lines, columns, indented_json};

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
    let mut warnings = Vec::new();
    let context = super::context(&arguments.opening.build, false, &mut warnings);
    let arch = &arguments.opening.arch;
    let source = source::open_source(&arguments.source, arch, &context, &registries, &mut warnings)?;
    super::warn_all(&warnings);
    let text = match source {
        OpenedSource::Index(place, index) => several::shown(arguments, &place, *index)?,
        OpenedSource::Draft(draft) => {
            let image = context.describe_image(draft)?;
            if arguments.manifest || arguments.raw && !arguments.config {
                json_text(of_image(&image, &Listing::default()).into_text(), arguments.raw)
            } else {
                show(arguments, Shown::of(image))
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
        OpenedSource::Image(_, image) => show(arguments, Shown::of_parsed(*image)),
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
    fn of(image: Image) -> Self {
        let rows = image.layers.iter().map(|ImageLayer { layer, .. }| Row {
            size: layer.stored.size,
            diff_id: layer.diff_id,
            contents: layer.draft.contents.names(),
        });
        let (layers, id) = (rows.collect(), image.id());
        Self { layers, id, names: image.tags, config: image.config.into_text() }
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

    fn table(&self) -> Lines {
        let mut lines = Lines::default();
        lines.push(format!("{:>5}  {:>11}  {:<12}  contents", "layer", "size", "diff id"));
        for (row, number) in self.layers.iter().zip(1..) {
            let (size, diff_id) = (HumanBytes(row.size).to_string(), &row.diff_id.hex()[..12]);
            lines.push(format!("{number:>5}  {size:>11}  {diff_id}  {}", summary(&row.contents)));
        }
        let size = HumanBytes(self.layers.iter().map(|row| row.size).fold(0, u64::saturating_add));
        lines.push(format!("{:>5}  {:>11}", "all", size.to_string()));
        lines.push("");
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{name:<12} {value}"));
            }
        };
        line("name", &columns(&self.names));
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
        lines
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
