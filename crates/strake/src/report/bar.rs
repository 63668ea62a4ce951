//! The progress bar, on a terminal.

use std::borrow::Cow;
use std::io::stderr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strake_image::recipe::Recipe;
use strake_image::{LayerDraft, Progress};

use super::meter::{Meter, Moment, Phase};
use crate::paint;
use crate::terminal::escaped;

/// How often the progress bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// The progress bar. It goes away when it is dropped.
pub(super) struct Bar {
    line: ProgressBar,
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    progress: Arc<Progress>,
    begun: Instant,
    is_over: AtomicBool,
    /// Bytes of all layers, as far as they were counted.
    counted: AtomicU64,
    state: Mutex<State>,
}

/// The progress of the work, as events report it.
struct State {
    phase: Phase,
    /// Bytes of all layers, once all are counted.
    total: Option<u64>,
    /// Bytes of layers whose digests were cached.
    cached: u64,
    /// Bytes of the layers that were taken before the current one, and of that.
    taken: u64,
    current: u64,
    /// The bytes that were passed on when the current layer or push began.
    passed_before: u64,
    /// Bytes of layers that are to be read for the current push.
    to_push: u64,
    /// The bytes that were sent when the first push began.
    sent_before: Option<u64>,
    title: String,
}

impl Bar {
    /// Begins, with the phase in which the image is planned.
    pub(super) fn start(progress: &Arc<Progress>) -> Self {
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        line.set_style(ProgressStyle::with_template("{msg}").expect("the template is well-formed"));
        let state = State {
            phase: Phase::Plan,
            total: None,
            cached: 0,
            taken: 0,
            current: 0,
            passed_before: 0,
            to_push: 0,
            sent_before: None,
            title: String::new(),
        };
        let shared = Arc::new(Shared {
            progress: progress.clone(),
            begun: Instant::now(),
            is_over: AtomicBool::new(false),
            counted: AtomicU64::new(0),
            state: Mutex::new(state),
        });
        let drawer = std::thread::spawn({
            let (line, shared) = (line.clone(), shared.clone());
            move || shared.draw(&line)
        });
        Self { line, shared, drawer: Some(drawer) }
    }

    /// These layers are made. The bytes of all of them are counted in the background.
    pub(super) fn layers(&self, drafts: &[&[LayerDraft]]) {
        self.shared.state().phase = Phase::Hash;
        let here = drafts.iter().copied().flatten().filter(|draft| !draft.recipe.is_elsewhere());
        let recipes: Vec<Recipe> = here.map(|draft| draft.recipe.clone()).collect();
        let shared = self.shared.clone();
        // It ends by itself; no join is necessary.
        std::thread::spawn(move || {
            for recipe in recipes {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                // A path that cannot be read here is reported where it is read.
                let size = recipe.survey().map_or(0, |survey| survey.size);
                shared.counted.fetch_add(size, Ordering::Relaxed);
            }
            shared.state().total = Some(shared.counted.load(Ordering::Relaxed));
        });
    }

    /// A layer is described, and about to be written if `is_written`.
    pub(super) fn layer(&self, size: u64, is_cached: bool, title: &str, is_written: bool) {
        let mut state = self.shared.state();
        if is_written {
            state.phase = Phase::Write;
        }
        state.taken += state.current;
        state.current = size;
        state.cached += if is_cached { size } else { 0 };
        state.passed_before = self.shared.progress.passed.load(Ordering::Relaxed);
        title.clone_into(&mut state.title);
    }

    /// Blobs are about to be sent, for which this number of bytes of layers is read.
    pub(super) fn push(&self, bytes: u64) {
        let mut state = self.shared.state();
        let Progress { passed, written, .. } = &*self.shared.progress;
        state.phase = Phase::Push;
        state.to_push = bytes;
        state.passed_before = passed.load(Ordering::Relaxed);
        state.sent_before.get_or_insert_with(|| written.load(Ordering::Relaxed));
        state.title.clear();
    }

    /// A blob is where it goes to.
    pub(super) fn blob(&self, title: &str) {
        title.clone_into(&mut self.shared.state().title);
    }

    /// Writes a line above it.
    pub(super) fn say(&self, line: &str) {
        self.line.println(line);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, line: &ProgressBar) {
        let (mut meter, mut last) = (Meter::default(), String::new());
        while !self.is_over.load(Ordering::Relaxed) {
            let text = meter.line(&self.moment());
            let width = paint::width(&stderr()).unwrap_or(usize::MAX);
            // A line that fills the last column may wrap.
            let text = cut(&text, width.saturating_sub(1));
            if *text != last {
                line.set_message(text.clone().into_owned());
                last = text.into_owned();
            }
            std::thread::park_timeout(TICK);
        }
    }

    fn moment(&self) -> Moment {
        let state = self.state();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Progress { hashed, passed, written, .. } = &*self.progress;
        let passed = load(passed).saturating_sub(state.passed_before);
        let (total, done) = match state.phase {
            Phase::Plan => (None, 0),
            Phase::Hash => (state.total, (load(hashed) + state.cached).max(state.taken + state.current)),
            Phase::Write => (state.total, state.taken + passed.min(state.current)),
            Phase::Push => (Some(state.to_push), passed),
        };
        let sent = state.sent_before.map_or(0, |before| load(written).saturating_sub(before));
        let title = escaped(&state.title).into_owned();
        Moment { phase: state.phase, total, done, sent, elapsed: self.begun.elapsed(), title }
    }
}

/// A line without what does not fit.
fn cut(line: &str, width: usize) -> Cow<'_, str> {
    let mut columns = 0;
    let end = line.char_indices().find(|(_, character)| {
        columns += unicode_width::UnicodeWidthChar::width(*character).unwrap_or(0);
        columns > width
    });
    end.map_or(line.into(), |(end, _)| line[..end].into())
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            // A panic over there has been reported.
            let _ = drawer.join();
        }
        self.line.finish_and_clear();
    }
}
