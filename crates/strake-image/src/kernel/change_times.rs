//! Which file systems keep change times.

use std::os::fd::BorrowedFd;

/// File systems whose change times the kernel keeps, by what `statfs` calls them.
///
/// Source: `linux/magic.h` and the file systems' own headers.
#[cfg(target_os = "linux")]
const KEPT: [u64; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x2FC1_2FC1, // ZFS
    0xF2F5_2010, // F2FS
    0xCA45_1A4E, // bcachefs
    0x794C_7630, // overlayfs, which hands on what the file systems below it say
];

/// Whether the file system of an open file or directory keeps change times.
#[cfg(target_os = "linux")]
pub(crate) fn keeps_change_times(file: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|found| KEPT.contains(&found.f_type.cast_unsigned()))
}

/// The same: of macOS' own file systems only APFS keeps them in nanoseconds.
#[cfg(target_os = "macos")]
pub(crate) fn keeps_change_times(file: BorrowedFd<'_>) -> bool {
    let is_apfs =
        |found: rustix::fs::StatFs| found.f_fstypename.iter().map(|&byte| byte as u8).take(5).eq(*b"apfs\0");
    rustix::fs::fstatfs(file).is_ok_and(is_apfs)
}

/// The same: unknown.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn keeps_change_times(_file: BorrowedFd<'_>) -> bool {
    false
}
