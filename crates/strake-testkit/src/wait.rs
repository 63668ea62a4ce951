//! Waiting for a condition, never for a time.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// No condition takes longer to come about, even where the machine has other things to do.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns when `condition` gives something. Panics after a minute, with what `state` says.
pub fn until<T>(mut condition: impl FnMut() -> Option<T>, state: impl Fn() -> String) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < LONGEST, "waited in vain: {}", state());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns when the change times of all files below a directory are old enough to tell whether a file has changed since:
/// from then on strake caches the digests of layers that hold them.
pub fn until_settled(directory: &Path) {
    let settled = settled_at(directory);
    until(
        || (SystemTime::now() >= settled).then_some(()),
        || format!("{} is changed all the time", directory.display()),
    );
}

/// When the newest change time below a path is old enough.
fn settled_at(path: &Path) -> SystemTime {
    let metadata = path.symlink_metadata().expect("the file is there");
    let below =
        metadata.is_dir().then(|| path.read_dir().expect("the directory can be read")).into_iter().flatten();
    let below = below.map(|entry| settled_at(&entry.expect("the directory can be read").path()));
    let (changed, nanoseconds) = changed(&metadata);
    // strake's fingerprints: a change time is as coarse as the kernel's tick, 10 ms at most, or a second or two.
    let margin = if nanoseconds == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) };
    below.fold(changed + margin, SystemTime::max)
}

/// A file's change time, and its nanoseconds alone.
fn changed(metadata: &Metadata) -> (SystemTime, u32) {
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).expect("less than a second");
    let seconds = u64::try_from(metadata.ctime()).expect("after 1970");
    (SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds), nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_is_when_the_newest_file_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("below/file");
        std::fs::create_dir(directory.path().join("below")).unwrap();
        until_settled(directory.path());
        std::fs::write(&file, "").unwrap();
        let (written, _) = changed(&file.metadata().unwrap());
        assert!(settled_at(directory.path()) >= written + Duration::from_millis(20));
        until_settled(directory.path());
        assert!(SystemTime::now() >= written + Duration::from_millis(20));
    }

    #[test]
    fn a_condition_gives_a_value() {
        let mut tries = 0;
        let found = until(
            || {
                tries += 1;
                (tries > 2).then_some("found")
            },
            String::new,
        );
        assert_eq!((found, tries), ("found", 3));
    }
}
