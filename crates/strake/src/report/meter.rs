//! How far the work is, in a line: phase, percentage, bytes of a total that never grows, bytes sent, time left.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanBytes;

/// In this time the weight of an earlier pace halves.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// A pace is only believed after this time.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// The width of the bar, in columns.
const BAR: usize = 20;

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The image is planned and opened, and files are counted.
    Plan,
    /// Layers are hashed, or their digests found in the cache.
    Hash,
    /// Layers are written into files, while those behind them are hashed.
    Write,
    /// Blobs are sent to a registry.
    Push,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Hash => "hash",
            Self::Write => "write",
            Self::Push => "push",
        }
    }
}

/// The state at one moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) phase: Phase,
    /// Bytes of the phase. `None`: files are still being counted.
    pub(super) total: Option<u64>,
    pub(super) done: u64,
    /// Bytes that went to registries.
    pub(super) sent: u64,
    /// Time since the beginning.
    pub(super) elapsed: Duration,
    /// The current item.
    pub(super) title: String,
}

/// Makes lines of moments, which come in their order.
#[derive(Default)]
pub(super) struct Meter {
    pace: Option<Pace>,
}

/// How fast a phase goes.
struct Pace {
    phase: Phase,
    begun: Duration,
    seen: Duration,
    done: u64,
    /// In bytes per second.
    rate: f64,
}

impl Meter {
    /// The line, however wide.
    pub(super) fn line(&mut self, moment: &Moment) -> String {
        let Moment { phase, done, sent, title, .. } = moment;
        if *phase == Phase::Plan {
            return phase.word().to_owned();
        }
        let Some(total) = moment.total else {
            return format!("{:<5} {} of a total that is being counted", phase.word(), HumanBytes(*done));
        };
        let done = (*done).min(total);
        let left = self.time_left(moment, total - done);
        let percent = if total == 0 { 100 } else { (u128::from(done) * 100 / u128::from(total)) as usize };
        let filled = percent * BAR / 100;
        let bar = format!("{}{}", "=".repeat(filled), " ".repeat(BAR - filled));
        let mut line =
            format!("{:<5} {percent:>3}% [{bar}] {}/{}", phase.word(), HumanBytes(done), HumanBytes(total));
        if *phase == Phase::Push {
            let _ = write!(line, "  {} sent", HumanBytes(*sent));
        }
        if let Some(left) = left {
            let _ = write!(line, "  ETA {}", clock(left));
        }
        if !title.is_empty() {
            let _ = write!(line, "  {title}");
        }
        line
    }

    /// How long the rest of the phase takes, at its pace.
    #[allow(clippy::cast_precision_loss)] // Nobody sees it.
    fn time_left(&mut self, moment: &Moment, left: u64) -> Option<Duration> {
        let Moment { phase, done, elapsed: now, .. } = *moment;
        let pace = match &mut self.pace {
            Some(pace) if pace.phase == phase => pace,
            pace => pace.insert(Pace { phase, begun: now, seen: now, done, rate: 0.0 }),
        };
        let since = now.saturating_sub(pace.seen);
        if !since.is_zero() {
            let rate = done.saturating_sub(pace.done) as f64 / since.as_secs_f64();
            // Earlier samples weigh as much as the phase so far, at most the half-life.
            let before = pace.seen.saturating_sub(pace.begun).min(HALF_LIFE).as_secs_f64();
            let weight = since.as_secs_f64() / (before + since.as_secs_f64());
            pace.rate += (rate - pace.rate) * weight;
            (pace.seen, pace.done) = (now, done);
        }
        let is_known = now.saturating_sub(pace.begun) >= FIRST_LOOK && pace.rate > 0.0 && left > 0;
        is_known.then(|| Duration::try_from_secs_f64((left as f64 / pace.rate).ceil()).ok())?
    }
}

/// `0:42`, `12:05`, `1:00:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(phase: Phase, seconds: u64, done: u64, total: Option<u64>) -> Moment {
        let elapsed = Duration::from_secs(seconds);
        Moment { phase, total, done, sent: done / 2, elapsed, title: "hello-1.0".to_owned() }
    }

    #[test]
    fn lines() {
        const MIB: u64 = 1024 * 1024;
        let mut meter = Meter::default();
        for (moment, expected) in [
            (moment(Phase::Plan, 0, 0, None), "plan"),
            (moment(Phase::Hash, 0, MIB, None), "hash  1.00 MiB of a total that is being counted"),
            (
                moment(Phase::Hash, 1, 10 * MIB, Some(100 * MIB)),
                "hash   10% [==                  ] 10.00 MiB/100.00 MiB  hello-1.0",
            ),
            (
                moment(Phase::Write, 2, 0, Some(100 * MIB)),
                "write   0% [                    ] 0 B/100.00 MiB  hello-1.0",
            ),
            (
                moment(Phase::Write, 4, 20 * MIB, Some(100 * MIB)),
                "write  20% [====                ] 20.00 MiB/100.00 MiB  ETA 0:08  hello-1.0",
            ),
            (
                moment(Phase::Write, 6, 100 * MIB, Some(100 * MIB)),
                "write 100% [====================] 100.00 MiB/100.00 MiB  hello-1.0",
            ),
            (
                moment(Phase::Push, 7, 0, Some(50 * MIB)),
                "push    0% [                    ] 0 B/50.00 MiB  0 B sent  hello-1.0",
            ),
            (
                moment(Phase::Push, 17, MIB, Some(50 * MIB)),
                "push    2% [                    ] 1.00 MiB/50.00 MiB  512.00 KiB sent  ETA 8:10  hello-1.0",
            ),
            // More than all cannot be done, and nothing is divided by nothing.
            (
                moment(Phase::Push, 18, 60 * MIB, Some(50 * MIB)),
                "push  100% [====================] 50.00 MiB/50.00 MiB  30.00 MiB sent  hello-1.0",
            ),
            (moment(Phase::Hash, 19, 0, Some(0)), "hash  100% [====================] 0 B/0 B  hello-1.0"),
        ] {
            assert_eq!(meter.line(&moment), expected);
        }
    }

    #[test]
    fn times() {
        for (seconds, expected) in [(0, "0:00"), (62, "1:02"), (3600, "1:00:00"), (90061, "25:01:01")] {
            assert_eq!(clock(Duration::from_secs(seconds)), expected);
        }
    }

    /// A pace that changes is followed within a few half-lives.
    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn paces() {
        let mut meter = Meter::default();
        let total = 1_000_000_000;
        let (mut done, mut left) = (0, None);
        for second in 0..60 {
            done += if second < 30 { 1_000_000 } else { 10_000_000 };
            let moment = moment(Phase::Write, second, done, Some(total));
            left = meter.time_left(&moment, total - done);
        }
        let expected = (total - done) as f64 / 10_000_000.0;
        let found = left.unwrap().as_secs_f64();
        assert!((found - expected).abs() < expected / 10.0, "{found} {expected}");
    }
}
