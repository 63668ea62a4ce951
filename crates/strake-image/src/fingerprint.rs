//! Fingerprints: what a file system says of the files that a layer was read from.
//!
//! As long as it says the same, the files hold the same bytes, so a digest that was remembered may be used again
//! without reading them. Compared are path, type, mode, size, modification time, change time and inode number. The
//! change time is what a process cannot set back, short of setting the machine's clock.

use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

use crate::digest::Hasher;

/// Each file's fingerprint, in the order in which the layer holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(pub(crate) Vec<u64>);

/// The fingerprint of one file.
pub(crate) fn of(path: &[u8], stat: &Stat) -> u64 {
    let mut hasher = Hasher::default();
    hasher.update(&stat.st_mode.to_le_bytes());
    let numbers: [i64; 6] = [
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec.cast_signed(),
        stat.st_ctime,
        stat.st_ctime_nsec.cast_signed(),
        stat.st_ino.cast_signed(),
    ];
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(path);
    let digest = hasher.finish();
    let (head, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*head)
}

/// Until when a file's change time does not tell whether it was changed once more.
///
/// A change time is as coarse as the kernel's tick (10 ms at most), on some file systems a second or two, which shows
/// in its nanoseconds being zero. A file written twice in that time has the same fingerprint with other bytes (git's
/// documentation calls this "racy").
pub(crate) fn settled_at(stat: &Stat) -> SystemTime {
    let nanoseconds = stat.st_ctime_nsec;
    let margin = if nanoseconds == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) };
    let changed =
        Duration::new(u64::try_from(stat.st_ctime).unwrap_or(0), 0) + Duration::from_nanos(nanoseconds);
    SystemTime::UNIX_EPOCH + changed + margin
}
