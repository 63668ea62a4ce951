//! The result of `fstat`, in the same types on all systems.

#![allow(clippy::allow_attributes, clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
#![allow(clippy::unnecessary_cast, clippy::cast_lossless)]

use rustix::fs::Stat;

/// Type and permissions.
pub(crate) fn mode(stat: &Stat) -> u32 {
    stat.st_mode.into()
}

/// The file system's number.
pub(crate) fn device(stat: &Stat) -> u64 {
    stat.st_dev as u64
}

/// When the content was written, in seconds since 1970 and nanoseconds.
pub(crate) fn modified(stat: &Stat) -> (i64, u32) {
    (stat.st_mtime as i64, stat.st_mtime_nsec as u32)
}

/// When content or attributes were changed, likewise.
pub(crate) fn changed(stat: &Stat) -> (i64, u32) {
    (stat.st_ctime as i64, stat.st_ctime_nsec as u32)
}
