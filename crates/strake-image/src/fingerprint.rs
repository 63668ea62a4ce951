//! Fingerprints: what a file system says of the files that a layer was read from.
//!
//! As long as it says the same, the files hold the same bytes, so a digest that was cached may be used again
//! without reading them. Compared are path, type, mode, size, modification time, change time and inode number. The
//! change time is what a process cannot set back, short of setting the machine's clock.
//!
//! That holds for file systems whose change time the kernel keeps. Others have one that was written when an image of them was
//! made (squashfs, erofs, ISO 9660), or that some other machine or program tells (NFS, 9p, FUSE): there an unchanged
//! fingerprint proves nothing, and what is read is not cached.

use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

use crate::digest::Hasher;
use crate::kernel;

/// Each file's fingerprint, in the order in which the layer holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(pub(crate) Vec<u64>);

/// The fingerprint of one file.
pub(crate) fn of(path: &[u8], stat: &Stat) -> u64 {
    let mut hasher = Hasher::default();
    hasher.update(&kernel::mode(stat).to_le_bytes());
    let (modified, changed) = (kernel::modified(stat), kernel::changed(stat));
    let numbers: [i64; 6] =
        [stat.st_size, modified.0, modified.1.into(), changed.0, changed.1.into(), stat.st_ino.cast_signed()];
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(path);
    let digest = hasher.finish();
    let (head, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*head)
}

/// The fingerprint of a file on a file system on which it proves nothing, so that no digest cached for another file matches.
pub(crate) fn unproven(fingerprint: u64) -> u64 {
    !fingerprint
}

/// A time after which no process is started.
pub(crate) fn never() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 4)
}

/// The properties of file systems by device number, so that each is queried once per walk.
#[derive(Default)]
pub(crate) struct FileSystems(Vec<(u64, bool)>);

impl FileSystems {
    /// The fingerprint of a file, and from when on it can be relied on. `look` tells whether the file system keeps change times.
    pub(crate) fn fingerprint(
        &mut self,
        path: &[u8],
        stat: &Stat,
        look: impl FnOnce() -> bool,
    ) -> (u64, SystemTime) {
        let of_file = kernel::device(stat);
        let known = self.0.iter().find(|(device, _)| *device == of_file).map(|(_, proves)| *proves);
        let proves = known.unwrap_or_else(|| {
            let proves = look();
            self.0.push((of_file, proves));
            proves
        });
        let fingerprint = of(path, stat);
        if proves { (fingerprint, settled_at(stat)) } else { (unproven(fingerprint), never()) }
    }
}

/// Until when a file's change time does not tell whether it was changed once more.
///
/// A change time is as coarse as the kernel's tick (10 ms at most), on some file systems a second or two, which shows
/// in its nanoseconds being zero. A file written twice in that time has the same fingerprint with other bytes (git's
/// documentation calls this "racy").
fn settled_at(stat: &Stat) -> SystemTime {
    let (seconds, nanoseconds) = kernel::changed(stat);
    let margin = if nanoseconds == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) };
    SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds) + margin
}
