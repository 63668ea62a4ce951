//! What is said on stderr while an image is made.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use strake_image::deliver::{MissingBlob, Preview};
use strake_image::python::repr::repr_list;
use strake_image::recipe::Recipe;
use strake_image::reference::list;
use strake_image::{
    Descriptor, Digest, Event, Image, Layer, LayerDraft, LoadedImage, Origin, Outcome, Progress,
};

use crate::terminal::{self, escaped, say_event};

/// How often the progress bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// How to speak to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all, but for errors.
    Quiet,
    /// A progress bar on a terminal, else a line a layer.
    Lines,
    /// An event a line, as JSON.
    Json,
    /// In the words of nixpkgs' script.
    Script,
}

/// What has been done.
pub(crate) struct Done<'d> {
    pub(crate) images: &'d [Image],
    /// The digest of the index that lists them, if one does.
    pub(crate) index: Option<Digest>,
    pub(crate) elapsed: Duration,
}

/// Speaks to the user.
pub(crate) struct Reporter {
    style: Style,
    count: usize,
    number: AtomicUsize,
    bar: Option<Bar>,
    warned: AtomicBool,
    progress: Arc<Progress>,
}

impl Reporter {
    /// Will report on the layers that are made from `drafts`, which each of `copies` targets takes.
    pub(crate) fn new(
        style: Style,
        drafts: &[&[LayerDraft]],
        copies: usize,
        progress: &Arc<Progress>,
    ) -> Self {
        let bar =
            (style == Style::Lines && stderr().is_terminal()).then(|| Bar::start(drafts, copies, progress));
        let mut layers = drafts.iter().copied().flatten();
        if style == Style::Script && !layers.any(|draft| draft.origin == Origin::Base) {
            terminal::say("No 'fromImage' provided");
        }
        let count = drafts.iter().map(|layers| layers.len()).sum();
        let (number, warned) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { style, count, number, bar, warned, progress: progress.clone() }
    }

    /// Something has happened.
    pub(crate) fn event(&self, event: Event<'_>) {
        match event {
            Event::Layer(layer) => self.layer(layer),
            Event::Blob { target, title, descriptor, outcome, took } => {
                self.blob(target, title, descriptor, (outcome, took));
            }
            Event::Loaded(loaded) => self.loaded(loaded),
        }
    }

    /// A layer is about to be written.
    fn layer(&self, layer: &Layer) {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let count = self.count;
        match self.style {
            Style::Quiet => {}
            Style::Lines => {
                let known = match layer {
                    layer if layer.is_elsewhere() => "present",
                    layer if layer.is_cached => "remembered",
                    _ => "digested",
                };
                let size = HumanBytes(layer.stored.size).to_string();
                let title = escaped(&layer.title);
                let line = format!("{number:>3}/{count}  {size:>10}  {known:<10}  {title}");
                match &self.bar {
                    Some(bar) => bar.line.set_message(format!("{number}/{count} {title}")),
                    None => terminal::say(&line),
                }
            }
            Style::Json => say_event(&json!({
                "event": "layer",
                "number": number,
                "of": count,
                "diff_id": layer.diff_id.to_string(),
                "size": layer.stored.size,
                "remembered": layer.is_cached,
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
            self.warning(&format!("cannot remember layer digests: {error}"));
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
            Style::Lines | Style::Script => self.say(&format!("strake: warning: {message}")),
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
            Style::Lines if outcome != Outcome::Had => {
                let (size, title) = (HumanBytes(blob.size).to_string(), escaped(title));
                self.say(&format!("{word:>7}  {size:>10}  {:.12}  {title}", blob.digest.hex()));
            }
            Style::Quiet | Style::Script | Style::Lines => {}
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
            Style::Lines => {
                let name = if names.is_empty() { id.to_string() } else { self::names(names) };
                let layers = layers_sent + layers_had;
                let what = if *is_new {
                    format!(
                        "{layers_sent} of {layers} layers sent, {}, {layers_had} were there",
                        HumanBytes(*sent)
                    )
                } else {
                    "it was there".to_owned()
                };
                let replaced = replaced.map(|other| format!(", in place of {other:.19}")).unwrap_or_default();
                self.say(&format!("{engine}: {name}: {what}{replaced} ({:.2} s)", took.as_secs_f64()));
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
                "replaced": replaced,
                "was_there": !is_new,
                "bytes_sent": sent,
                "layers_sent": layers_sent,
                "layers_had": layers_had,
                "run": run,
                "seconds": took.as_secs_f64(),
            })),
        }
    }

    /// What a push would send.
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
            Style::Lines => {
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
        let Done { images, index, elapsed } = done;
        let progress = &self.progress;
        let tags: &[String] = images.first().map_or(&[], |image| &image.tags);
        let layers: usize = images.iter().map(|image| image.layers.len()).sum();
        let ids: Vec<String> = images.iter().map(|image| image.id().to_string()).collect();
        let image_id = match (index, &ids[..]) {
            (None, [id]) => Some(id),
            _ => None,
        };
        let size = progress.written.load(Ordering::Relaxed);
        let digested = progress.hashed.load(Ordering::Relaxed);
        let compressed = progress.compressed.load(Ordering::Relaxed);
        match self.style {
            Style::Quiet => {}
            Style::Lines => {
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
                    "{}  {what}  {layers} layers, {} written and {} digested{compressed} in {:.2} s",
                    names(tags),
                    HumanBytes(size),
                    HumanBytes(digested),
                    elapsed.as_secs_f64(),
                ));
            }
            Style::Json => say_event(&json!({
                "event": "done",
                "repo_tag": tags.join(" "),
                "image_id": image_id,
                "image_ids": ids,
                "index": index.map(|digest| digest.to_string()),
                "layers": layers,
                "size": size,
                "digested": digested,
                "compressed": compressed,
                "seconds": elapsed.as_secs_f64(),
            })),
            Style::Script => ["Adding manifests...", "Done."].into_iter().for_each(terminal::say),
        }
    }

    /// A line that stays, also above a progress bar.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.line.println(&*escaped(line)),
            None => terminal::say(line),
        }
    }
}

fn names(tags: &[String]) -> String {
    match tags {
        [] => "the image".to_owned(),
        _ => list(&tags.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// The progress bar. It goes away when it is dropped.
struct Bar {
    line: ProgressBar,
    stop: Arc<AtomicBool>,
    drawer: Option<JoinHandle<()>>,
}

impl Bar {
    fn start(drafts: &[&[LayerDraft]], copies: usize, progress: &Arc<Progress>) -> Self {
        let copies = copies.max(1) as u64;
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{bytes:>11}/{total_bytes} {wide_bar} {bytes_per_sec} {msg:40!}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        let stop = Arc::new(AtomicBool::new(false));
        let mut recipes = Vec::new();
        for layers in drafts {
            let here = layers.iter().filter(|draft| !draft.recipe.is_elsewhere());
            recipes.extend(here.map(|draft| draft.recipe.clone()));
        }
        let drawer = std::thread::spawn({
            let (bar, stop, progress) = (bar.clone(), stop.clone(), progress.clone());
            let stopped = move || stop.load(Ordering::Relaxed);
            let show = move |bar: &ProgressBar| {
                bar.set_position(progress.written.load(Ordering::Relaxed) / copies);
            };
            move || {
                // What cannot be looked at here will be reported where it is read.
                let all = recipes.iter().take_while(|_| !stopped());
                for survey in all.flat_map(Recipe::survey) {
                    bar.inc_length(survey.size);
                    show(&bar);
                }
                while !stopped() {
                    show(&bar);
                    std::thread::park_timeout(TICK);
                }
            }
        });
        Self { line: bar, stop, drawer: Some(drawer) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            // A panic over there has been reported.
            let _ = drawer.join();
        }
        self.line.finish_and_clear();
    }
}
