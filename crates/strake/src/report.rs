//! What is said on stderr while an image is made.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use strake_image::destination::Written;
use strake_image::digest::Digest;
use strake_image::draft::{LayerDraft, Origin};
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::python::repr::repr_list;
use strake_image::reference::list;
use strake_image::store::Store;
use strake_remote::{Event, Outcome};

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

/// Bytes done, counted by whoever does them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) written: AtomicU64,
    pub(crate) digested: AtomicU64,
    pub(crate) compressed: AtomicU64,
    /// How many destinations there are, of which each takes everything; 0 stands for one.
    pub(crate) copies: u64,
}

/// A part of an image that a registry misses: its digest and size where they are known, about its size, its title.
pub(crate) type Missing<'m> = (Option<(Digest, u64)>, u64, &'m str);

/// Speaks to the user.
pub(crate) struct Reporter {
    style: Style,
    count: usize,
    number: usize,
    bar: Option<Bar>,
    warned: bool,
}

impl Reporter {
    /// Will report on the layers that are made from `drafts`.
    pub(crate) fn new(style: Style, drafts: &[LayerDraft], store: &Store, progress: &Arc<Progress>) -> Self {
        let bar =
            (style == Style::Lines && stderr().is_terminal()).then(|| Bar::start(drafts, store, progress));
        if style == Style::Script && !drafts.iter().any(|draft| draft.origin == Origin::Base) {
            eprintln!("No 'fromImage' provided");
        }
        Self { style, count: drafts.len(), number: 0, bar, warned: false }
    }

    /// A layer is about to be written.
    pub(crate) fn layer(&mut self, layer: &Layer) {
        self.number += 1;
        let Self { number, count, .. } = *self;
        match self.style {
            Style::Quiet => {}
            Style::Lines => {
                let known = match layer {
                    layer if layer.is_elsewhere() => "present",
                    layer if layer.remembered => "remembered",
                    _ => "digested",
                };
                let size = HumanBytes(layer.blob.size).to_string();
                let line = format!("{number:>3}/{count}  {size:>10}  {known:<10}  {}", layer.title);
                match &self.bar {
                    Some(bar) => bar.line.set_message(format!("{number}/{count} {}", layer.title)),
                    None => eprintln!("{line}"),
                }
            }
            Style::Json => event(&json!({
                "event": "layer",
                "number": number,
                "of": count,
                "diff_id": layer.diff_id.to_string(),
                "size": layer.blob.size,
                "remembered": layer.remembered,
                "title": layer.title,
                "contents": layer.draft.contents,
            })),
            Style::Script => {
                let contents = &layer.draft.contents;
                match layer.draft.origin {
                    Origin::Base | Origin::Copied => {
                        eprintln!("Adding base layer {number} from {}", contents.concat());
                    }
                    Origin::Store => eprintln!("Creating layer {number} from paths: {}", repr_list(contents)),
                    Origin::Customisation => eprintln!("Creating layer {number} with customisation..."),
                }
            }
        }
        if let Some(error) = layer.not_remembered.as_ref().filter(|_| !self.warned) {
            self.warned = true;
            self.warning(&format!("cannot remember layer digests: {error}"));
        }
    }

    /// Something that is no reason to stop.
    pub(crate) fn warning(&self, message: &str) {
        match self.style {
            Style::Quiet => {}
            Style::Json => event(&json!({ "event": "warning", "message": message })),
            Style::Lines | Style::Script => self.say(&format!("strake: warning: {message}")),
        }
    }

    /// A part of the image is in a registry.
    pub(crate) fn blob(&self, place: &str, event: &Event, title: &str) {
        let outcome = match event.outcome {
            Outcome::Had => "had",
            Outcome::Mounted => "mounted",
            Outcome::Sent => "sent",
        };
        match self.style {
            Style::Lines if event.outcome != Outcome::Had => {
                let size = HumanBytes(event.size).to_string();
                self.say(&format!("{outcome:>7}  {size:>10}  {:.12}  {title}", event.digest.hex()));
            }
            Style::Quiet | Style::Script | Style::Lines => {}
            Style::Json => self::event(&json!({
                "event": "blob",
                "destination": place,
                "digest": event.digest.to_string(),
                "size": event.size,
                "outcome": outcome,
                "seconds": event.took.as_secs_f64(),
                "title": title,
            })),
        }
    }

    /// What a push would send.
    pub(crate) fn would_send(&self, place: &str, is_there: bool, missing: &[Missing<'_>]) {
        let bytes: u64 = missing.iter().map(|(_, size, _)| size).sum();
        let digest = |known: &Option<(Digest, u64)>| known.map(|(digest, _)| digest.to_string());
        if self.style == Style::Json {
            let blobs: Vec<Value> = missing
                .iter()
                .map(|(known, size, title)| json!({ "digest": digest(known), "size": size, "title": title }))
                .collect();
            event(&json!({
                "event": "would_send",
                "destination": place,
                "is_there": is_there,
                "bytes": bytes,
                "blobs": blobs,
            }));
            return;
        }
        for (known, size, title) in missing {
            let digest = known.map(|(digest, _)| digest.hex()).unwrap_or_default();
            self.say(&format!("missing  {:>10}  {digest:.12}  {title}", HumanBytes(*size).to_string()));
        }
        let size = HumanBytes(bytes);
        self.say(&if is_there {
            format!("{place} is there")
        } else {
            format!("{place} misses {} blobs, {size}, and the manifest", missing.len())
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
            Style::Json => event(&json!({ "event": "written", "destination": place, "manifest": manifest })),
        }
    }

    /// The image is whole.
    pub(crate) fn done(self, image: &Image, written: Written, progress: &Progress, elapsed: Duration) {
        let Written { image_id, size, .. } = written;
        let repo_tag = image.tags.join(" ");
        let digested = progress.digested.load(Ordering::Relaxed);
        let compressed = progress.compressed.load(Ordering::Relaxed);
        match self.style {
            Style::Quiet => {}
            Style::Lines => {
                let compressed = match compressed {
                    0 => String::new(),
                    bytes => format!(" and {} compressed", HumanBytes(bytes)),
                };
                self.say(&format!(
                    "{}  {image_id}  {} layers, {} written and {} digested{compressed} in {:.2} s",
                    names(&image.tags),
                    image.layers.len(),
                    HumanBytes(size),
                    HumanBytes(digested),
                    elapsed.as_secs_f64(),
                ));
            }
            Style::Json => event(&json!({
                "event": "done",
                "repo_tag": repo_tag,
                "image_id": image_id.to_string(),
                "layers": image.layers.len(),
                "size": size,
                "digested": digested,
                "compressed": compressed,
                "seconds": elapsed.as_secs_f64(),
            })),
            Style::Script => eprintln!("Adding manifests...\nDone."),
        }
    }

    /// A line that stays, also above a progress bar.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.line.println(line),
            None => eprintln!("{line}"),
        }
    }
}

fn event(value: &Value) {
    eprintln!("{value}");
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
    fn start(drafts: &[LayerDraft], store: &Store, progress: &Arc<Progress>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{bytes:>11}/{total_bytes} {wide_bar} {bytes_per_sec} {msg:40!}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        let stop = Arc::new(AtomicBool::new(false));
        let recipes = drafts.iter().map(|draft| draft.recipe.clone()).filter(|recipe| !recipe.is_elsewhere());
        let recipes: Vec<_> = recipes.collect();
        let drawer = std::thread::spawn({
            let (bar, stop, store, progress) = (bar.clone(), stop.clone(), store.clone(), progress.clone());
            let stopped = move || stop.load(Ordering::Relaxed);
            let show = move |bar: &ProgressBar| {
                bar.set_position(progress.written.load(Ordering::Relaxed) / progress.copies.max(1));
            };
            move || {
                // What cannot be looked at here will be reported where it is read.
                for survey in
                    recipes.iter().take_while(|_| !stopped()).flat_map(|recipe| recipe.survey(&store))
                {
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
