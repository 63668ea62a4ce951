//! `strake cache`: the remembered digests, for people.

use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;
use strake_image::cache::{Cache, Entry, Removed};

use crate::cli::CacheAction;
use crate::failure::Failure;

const DAY: Duration = Duration::from_hours(24);

pub(crate) fn run(action: &CacheAction) -> Result<(), Failure> {
    let cache = super::open_cache()?;
    let now = SystemTime::now();
    let text = match action {
        CacheAction::Show { json } => {
            let entries = cache.entries().map_err(|error| unreadable(&error))?;
            if *json { lines(&entries) } else { table(&cache, &entries, now) }
        }
        CacheAction::Prune { older_than } => {
            let limit = now.checked_sub(DAY * *older_than).unwrap_or(UNIX_EPOCH);
            removed(cache.prune(limit).map_err(|error| unreadable(&error))?)
        }
        CacheAction::Clear => removed(cache.clear().map_err(|error| unreadable(&error))?),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::stdout)
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read or clean the cache: {error}"))
}

fn removed(Removed { entries, bytes }: Removed) -> String {
    format!("removed {entries} entries, {}\n", HumanBytes(bytes))
}

fn lines(entries: &[Entry]) -> String {
    entries.iter().fold(String::new(), |mut text, entry| {
        let used = entry.used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let line = json!({
            "digest": entry.digest.to_string(),
            "size": entry.size,
            "files": entry.files,
            "title": entry.title,
            "used": used,
        });
        let _ = writeln!(text, "{line}");
        text
    })
}

fn table(cache: &Cache, entries: &[Entry], now: SystemTime) -> String {
    let mut text = String::new();
    for entry in entries {
        let used = HumanDuration(now.duration_since(entry.used).unwrap_or_default());
        let _ = writeln!(
            text,
            "{}  {:>10}  {:>7} files  {:>10} ago  {}",
            &entry.digest.hex()[..12],
            HumanBytes(entry.size).to_string(),
            entry.files,
            used.to_string(),
            entry.title,
        );
    }
    let bytes = entries.iter().map(|entry| entry.size).sum();
    let place = cache.directory().display();
    let _ = writeln!(text, "{} layers of {} remembered in {place}", entries.len(), HumanBytes(bytes));
    text
}
