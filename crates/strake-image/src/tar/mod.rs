//! The tar format.
//!
//! Format: POSIX.1-2008 `pax`, "ustar interchange format" and "pax extended header". It is written in the one dialect that
//! today's image digests depend on: PAX as `CPython`'s `tarfile` writes it. The details of the dialect are documented
//! where they are implemented, in `header` (the 512-byte block) and `pax` (the extended records in front of it). It is read as
//! Go's `archive/tar` reads it, in all dialects (`reader`).

mod field;
mod header;
mod member;
mod pax;
mod reader;
mod records;
mod sparse;
mod writer;

pub use member::{Kind, Member};
pub use pax::append as append_header;
pub(crate) use reader::{TarMember, TarReader};
pub(crate) use records::Records;
pub(crate) use sparse::name as sparse_name;
pub use writer::Writer;

/// A tar archive is made of blocks of this many bytes.
pub const BLOCK: u64 = 512;

/// An archive's length is a multiple of this: `tarfile` fills up its last record, as tape drives once wanted.
pub const RECORD: u64 = 20 * BLOCK;

/// Zero bytes that fill up the last block of `length` bytes of content.
pub const fn block_padding(length: u64) -> u64 {
    (BLOCK - length % BLOCK) % BLOCK
}

/// Zero bytes that end an archive whose members take `length` bytes: two blocks, then to the end of the record.
pub const fn end_padding(length: u64) -> u64 {
    let end = length + 2 * BLOCK;
    end - length + (RECORD - end % RECORD) % RECORD
}
