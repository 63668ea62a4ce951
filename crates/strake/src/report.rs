//! Messages on stderr while an image is made.

mod bar;
mod groups;
mod meter;

use std::io::stderr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strake_image::deliver::{MissingBlob, Preview};
use strake_image::python::repr::repr_list;
use strake_image::reference::list;
use strake_image::{
    Descriptor, Digest, Event, Image, Layer, LayerDraft, LoadedImage, Origin, Outcome, Progress,
};

use crate::paint;
use crate::terminal::{self, escaped, say_event};
use bar::Bar;
use groups::Groups;

/// How to speak to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all, but for errors.
    Quiet,
    /// A progress bar on a terminal, else lines about layers and blobs, not too many.
    Lines,
    /// A line for each of them.
    Verbose,
    /// An event a line, as JSON.
    Json,
    /// In the words of nixpkgs' script.
    Script,
}

/// The operation that is done.
pub(crate) struct Done<'d> {
    pub(crate) images: &'d [Image],
    /// The digest of the index that lists them, if one does.
    pub(crate) index: Option<Digest>,
    pub(crate) elapsed: Duration,
    /// Whether an archive went into a pipe, which may lead to Docker.
    pub(crate) is_piped: bool,
}

/// Speaks to the user.
pub(crate) struct Reporter {
    style: Style,
    /// Whether layers are written while others are hashed.
    writes: bool,
    count: usize,
    layers: Mutex<Groups>,
    blobs: Mutex<Groups>,
    bar: Option<Bar>,
    warned: AtomicBool,
    progress: Arc<Progress>,
}

impl Reporter {
    /// Will report, from the planning of the image on.
    pub(crate) fn new(style: Style, progress: &Arc<Progress>) -> Self {
        let has_bar = matches!(style, Style::Lines | Style::Verbose) && paint::can_redraw(&stderr());
        Self {
            style,
            writes: false,
            count: 0,
            layers: Mutex::new(Groups::new(0, true)),
            blobs: Mutex::new(Groups::new(0, true)),
            bar: has_bar.then(|| Bar::start(progress)),
            warned: AtomicBool::new(false),
            progress: progress.clone(),
        }
    }

    /// Layers are about to be made from `drafts`; `writes`: into files.
    pub(crate) fn layers(&mut self, drafts: &[&[LayerDraft]], writes: bool) {
        let mut layers = drafts.iter().copied().flatten();
        if self.style == Style::Script && !layers.any(|draft| draft.origin == Origin::Base) {
            terminal::say("No 'fromImage' provided");
        }
        self.writes = writes;
        self.count = drafts.iter().map(|layers| layers.len()).sum();
        self.layers = Mutex::new(Groups::new(self.count, self.style != Style::Lines));
        self.bar.iter().for_each(|bar| bar.layers(drafts));
    }

    /// Something has happened.
    pub(crate) fn event(&self, event: Event<'_>) {
        match event {
            Event::Layer(layer) => self.layer(layer),
            Event::Sending { blobs, bytes } => {
                *lock(&self.blobs) = Groups::new(blobs, self.style == Style::Verbose);
                self.bar.iter().for_each(|bar| bar.push(bytes));
            }
            Event::Blob { target, title, descriptor, outcome, took } => {
                self.blob(target, title, descriptor, (outcome, took));
            }
            Event::Loaded(loaded) => self.loaded(loaded),
        }
    }

    /// Whether lines about layers and blobs are wanted.
    fn has_lines(&self) -> bool {
        self.style == Style::Verbose || self.style == Style::Lines && self.bar.is_none()
    }

    /// A layer is about to be written.
    fn layer(&self, layer: &Layer) {
        let known = match layer {
            layer if layer.is_elsewhere() => "present",
            layer if layer.is_cached => "cached",
            _ => "hashed",
        };
        if let (Some(bar), false) = (&self.bar, layer.is_elsewhere()) {
            bar.layer(layer.stored.size, layer.is_cached, &layer.title, self.writes);
        }
        let summary = lock(&self.layers).add(layer.stored.size, known, &layer.title);
        let number = summary.as_ref().map_or(0, |summary| summary.number);
        match self.style {
            Style::Quiet => {}
            Style::Lines | Style::Verbose => {
                if let Some(summary) = summary.filter(|_| self.has_lines()) {
                    self.say(&summary.line());
                }
            }
            Style::Json => say_event(&json!({
                "event": "layer",
                "number": number,
                "of": self.count,
                "diff_id": layer.diff_id.to_string(),
                "size": layer.stored.size,
                "cached": layer.is_cached,
                "title": layer.title,
                "contents": layer.draft.contents.names(),
            })),
            Style::Script => {
                let contents = layer.draft.contents.names();
                match layer.draft.origin {
                    Origin::Base | Origin::Copied => {
                        terminal::say(&format!("Adding base layer {number} from {}", contents.concat()));
                    }
                    Origin::Store => {
                        terminal::say(&format!(
                            "Creating layer {number} from paths: {}",
                            repr_list(&contents)
                        ));
                    }
                    Origin::Customisation => {
                        terminal::say(&format!("Creating layer {number} with customisation..."));
                    }
                }
            }
        }
        if let Some(error) = &layer.not_cached
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            self.warning(&format!("cannot cache layer digests: {error}"));
        }
    }

    /// Several of these.
    pub(crate) fn warnings(&self, messages: &[String]) {
        for message in messages {
            self.warning(message);
        }
    }

    /// Something that is no reason to stop.
    pub(crate) fn warning(&self, message: &str) {
        match self.style {
            Style::Quiet => {}
            Style::Json => say_event(&json!({ "event": "warning", "message": message })),
            Style::Lines | Style::Verbose | Style::Script => self.say_painted(&terminal::warned(message)),
        }
    }

    /// A blob of the image is in a registry.
    fn blob(&self, target: &str, title: &str, blob: &Descriptor, (outcome, took): (Outcome, Duration)) {
        let word = match outcome {
            Outcome::Had => "had",
            Outcome::Mounted => "mounted",
            Outcome::Sent => "sent",
        };
        match self.style {
            Style::Lines | Style::Verbose if outcome != Outcome::Had => {
                self.bar.iter().for_each(|bar| bar.blob(title));
                let summary = lock(&self.blobs).add(blob.size, word, title);
                if let Some(summary) = summary.filter(|_| self.has_lines()) {
                    let size = HumanBytes(summary.bytes).to_string();
                    let (words, title) = (&summary.words, escaped(&summary.title));
                    self.say(&format!("{words:>7}  {size:>10}  {:.12}  {title}", blob.digest.hex()));
                }
            }
            Style::Quiet | Style::Script | Style::Lines | Style::Verbose => {}
            Style::Json => say_event(&json!({
                "event": "blob",
                "destination": target,
                "digest": blob.digest.to_string(),
                "size": blob.size,
                "outcome": word,
                "seconds": took.as_secs_f64(),
                "title": title,
            })),
        }
    }

    /// An engine has the image.
    fn loaded(&self, loaded: &LoadedImage<'_>) {
        let LoadedImage {
            engine,
            names,
            id,
            replaced,
            is_new,
            sent,
            layers_sent,
            layers_had,
            stays_uncompressed,
            run,
            took,
        } = loaded;
        match self.style {
            Style::Quiet | Style::Script => {}
            Style::Lines | Style::Verbose => {
                let name = self::names(names);
                let layers = layers_sent + layers_had;
                let what = if *is_new {
                    format!(
                        "{layers_sent} of {layers} layers sent, {}, {layers_had} were there",
                        HumanBytes(*sent)
                    )
                } else {
                    "already there".to_owned()
                };
                self.say(&format!("{engine}: {name}: {what} ({:.2} s)", took.as_secs_f64()));
                for (name, id) in *replaced {
                    self.say(&format!("{name} was {id:.19} before"));
                }
                if *stays_uncompressed {
                    self.say("docker push would push these layers uncompressed: use strake copy, or load with --compress gzip");
                }
                if let Some(run) = run {
                    self.say(&format!("run it with: {}", run.join(" ")));
                }
            }
            Style::Json => say_event(&json!({
                "event": "loaded",
                "engine": engine,
                "names": names,
                "image_id": id.to_string(),
                "replaced": replaced.iter().map(|(name, id)| json!({ "name": name, "image_id": id })).collect::<Vec<_>>(),
                "was_there": !is_new,
                "bytes_sent": sent,
                "layers_sent": layers_sent,
                "layers_had": layers_had,
                "run": run,
                "seconds": took.as_secs_f64(),
            })),
        }
    }

    /// The bytes that a push would send.
    pub(crate) fn would_send(&self, preview: &Preview) {
        let Preview { target, is_there, missing } = preview;
        let size = |blob: &MissingBlob| blob.descriptor.as_ref().map_or(blob.weight, |known| known.size);
        let bytes: u64 = missing.iter().map(size).sum();
        if self.style == Style::Json {
            let digest = |blob: &MissingBlob| blob.descriptor.as_ref().map(|known| known.digest.to_string());
            let row = |blob: &MissingBlob| json!({ "digest": digest(blob), "size": size(blob), "title": blob.title });
            let blobs: Vec<Value> = missing.iter().map(row).collect();
            say_event(&json!({
                "event": "would_send",
                "destination": target,
                "is_there": is_there,
                "bytes": bytes,
                "blobs": blobs,
            }));
            return;
        }
        for blob in missing {
            let digest = blob.descriptor.as_ref().map(|known| known.digest.hex()).unwrap_or_default();
            let (size, title) = (HumanBytes(size(blob)).to_string(), escaped(&blob.title));
            self.say(&format!("missing  {size:>10}  {digest:.12}  {title}"));
        }
        let size = HumanBytes(bytes);
        self.say(&if *is_there {
            format!("{target} is there")
        } else {
            format!("{target} misses {} blobs, {size}, and the manifest", missing.len())
        });
    }

    /// The image is whole in one of several places.
    pub(crate) fn written(&self, place: &str, manifest: Option<Digest>) {
        let manifest = manifest.map(|digest| digest.to_string());
        match self.style {
            Style::Quiet | Style::Script => {}
            Style::Lines | Style::Verbose => {
                let manifest = manifest.map(|digest| format!("  manifest {digest}")).unwrap_or_default();
                self.say(&format!("{place}{manifest}"));
            }
            Style::Json => {
                say_event(&json!({ "event": "written", "destination": place, "manifest": manifest }));
            }
        }
    }

    /// All is whole.
    pub(crate) fn done(self, done: &Done<'_>) {
        let Done { images, index, elapsed, is_piped } = done;
        let progress = &self.progress;
        let tags: &[String] = images.first().map_or(&[], |image| &image.tags);
        let layers: usize = images.iter().map(|image| image.layers.len()).sum();
        let ids: Vec<String> = images.iter().map(|image| image.id().to_string()).collect();
        let image_id = match (index, &ids[..]) {
            (None, [id]) => Some(id),
            _ => None,
        };
        let size = progress.written.load(Ordering::Relaxed);
        let hashed = progress.hashed.load(Ordering::Relaxed);
        let compressed = progress.compressed.load(Ordering::Relaxed);
        match self.style {
            Style::Quiet => {}
            Style::Lines | Style::Verbose => {
                let compressed = match compressed {
                    0 => String::new(),
                    bytes => format!(" and {} compressed", HumanBytes(bytes)),
                };
                let what = match (image_id, index) {
                    (Some(id), _) => id.clone(),
                    (None, Some(index)) => format!("{index}  {} images,", images.len()),
                    (None, None) => String::new(),
                };
                self.say(&format!(
                    "{}  {what}  {layers} layers, {} written and {} hashed{compressed} in {:.2} s",
                    names(tags),
                    HumanBytes(size),
                    HumanBytes(hashed),
                    elapsed.as_secs_f64(),
                ));
                if let ([image], [name, ..], true) = (images, tags, is_piped) {
                    self.say(&format!("after docker load: docker run --rm {}", run_arguments(image, name)));
                }
            }
            Style::Json => say_event(&json!({
                "event": "done",
                "repo_tag": tags.join(" "),
                "image_id": image_id,
                "image_ids": ids,
                "index": index.map(|digest| digest.to_string()),
                "layers": layers,
                "size": size,
                "hashed": hashed,
                "compressed": compressed,
                "seconds": elapsed.as_secs_f64(),
            })),
            Style::Script => ["Adding manifests...", "Done."].into_iter().for_each(terminal::say),
        }
    }

    /// A line that stays, also above a progress bar.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.say(&escaped(line)),
            None => terminal::say(line),
        }
    }

    /// The same for one that is escaped and may have colours.
    fn say_painted(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.say(line),
            None => terminal::say_as_it_is(line),
        }
    }
}

/// The arguments of `docker run` for an image of this name: a command as well, if the image has none.
fn run_arguments(image: &Image, name: &str) -> String {
    let config: Value = serde_json::from_slice(image.config.text()).unwrap_or_default();
    let has = |key: &str| config["config"][key].as_array().is_some_and(|words| !words.is_empty());
    let command = if has("Entrypoint") || has("Cmd") { "" } else { " COMMAND" };
    format!("{name}{command}")
}

fn names(tags: &[String]) -> String {
    match tags {
        [] => "the image".to_owned(),
        _ => list(&tags.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
