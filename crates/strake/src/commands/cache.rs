//! `strake cache`: the cached digests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;
use strake_image::cache::{BlobEntry, Cache, DiffIdEntry, LayerEntry, Removed};

use crate::cli::CacheAction;
use crate::failure::Failure;
use crate::output;
use crate::terminal::{self, Lines};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(action: &CacheAction) -> Result<(), Failure> {
    let cache = super::open_cache()?;
    let now = SystemTime::now();
    let lines = match action {
        CacheAction::Show { json } => {
            let layers = cache.layers().map_err(|error| unreadable(&error))?;
            let blobs = cache.blobs().map_err(|error| unreadable(&error))?;
            let diff_ids = cache.diff_ids().map_err(|error| unreadable(&error))?;
            if *json {
                entries(&layers, &blobs, &diff_ids)
            } else {
                table(&cache, &layers, &blobs, &diff_ids, now)
            }
        }
        CacheAction::Prune { older_than } => {
            let limit = now.checked_sub(DAY * *older_than).unwrap_or(UNIX_EPOCH);
            removed(cache.prune(limit).map_err(|error| unreadable(&error))?)
        }
        CacheAction::Clear => removed(cache.clear().map_err(|error| unreadable(&error))?),
    };
    output::say(&lines)
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read or clean the cache: {error}"))
}

fn removed(Removed { entries, bytes }: Removed) -> Lines {
    let mut lines = Lines::default();
    lines.push(format!("removed {entries} entries, {}", HumanBytes(bytes)));
    lines
}

fn entries(layers: &[LayerEntry], blobs: &[BlobEntry], diff_ids: &[DiffIdEntry]) -> Lines {
    let seconds = |used: SystemTime| used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let layers = layers.iter().map(|layer| {
        json!({
            "digest": layer.digest.to_string(),
            "size": layer.size,
            "files": layer.files,
            "title": layer.title,
            "used": seconds(layer.used),
        })
    });
    let blobs = blobs.iter().map(|blob| {
        json!({
            "diff_id": blob.diff_id.to_string(),
            "digest": blob.digest.to_string(),
            "size": blob.size,
            "made": blob.made,
            "used": seconds(blob.used),
        })
    });
    let diff_ids = diff_ids.iter().map(|entry| {
        json!({
            "diff_id": entry.diff_id.to_string(),
            "digest": entry.digest.to_string(),
            "used": seconds(entry.used),
        })
    });
    let mut lines = Lines::default();
    layers.chain(blobs).chain(diff_ids).for_each(|entry| lines.push(terminal::json(&entry)));
    lines
}

fn table(
    cache: &Cache,
    layers: &[LayerEntry],
    blobs: &[BlobEntry],
    diff_ids: &[DiffIdEntry],
    now: SystemTime,
) -> Lines {
    let mut lines = Lines::default();
    let ago = |used| HumanDuration(now.duration_since(used).unwrap_or_default()).to_string();
    for layer in layers {
        let front = format!(
            "{}  {:>10}  {:>7} files  {:>10} ago  ",
            &layer.digest.hex()[..12],
            HumanBytes(layer.size).to_string(),
            layer.files,
            ago(layer.used),
        );
        lines.push_row(&front, &layer.title);
    }
    for blob in blobs {
        let front = format!(
            "{}  {:>10}  of {:<12}  {:>8} ago  ",
            &blob.digest.hex()[..12],
            HumanBytes(blob.size).to_string(),
            &blob.diff_id.hex()[..12],
            ago(blob.used),
        );
        lines.push_row(&front, &blob.made);
    }
    for entry in diff_ids {
        lines.push(format!(
            "{}  third-party layer, diff id {:<12}  {:>8} ago",
            &entry.digest.hex()[..12],
            &entry.diff_id.hex()[..12],
            ago(entry.used),
        ));
    }
    let bytes =
        |sizes: &mut dyn Iterator<Item = u64>| HumanBytes(sizes.fold(0, u64::saturating_add)).to_string();
    let (count, size) = (layers.len(), bytes(&mut layers.iter().map(|layer| layer.size)));
    let (compressed, compressed_size) = (blobs.len(), bytes(&mut blobs.iter().map(|blob| blob.size)));
    let place = cache.directory().display();
    lines.push(format!("{count} layers of {size}, {compressed} compressed ones of {compressed_size} and {} diff ids of third-party layers cached in {place}",
        diff_ids.len(),
    ));
    lines
}
