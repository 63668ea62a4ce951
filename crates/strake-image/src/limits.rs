//! The maximum sizes of an image and its parts.
//!
//! Images are anybody's, and what is read of them into memory, or gone through again and again, is bounded whatever they
//! claim. All bounds are here; `docs/limits.md` lists them for users. Real images stay far below each.

/// Bytes of a manifest or an index: 8 MiB. Registries take 4 MiB; an `index.json` of many images may be larger.
pub const MAX_JSON: u64 = 8 * 1024 * 1024;

/// Bytes of an image's config: 4 MiB, as skopeo and podman have it (`iolimits.MaxConfigBodySize`).
pub(crate) const MAX_CONFIG: u64 = 4 * 1024 * 1024;

/// Values in a JSON text: 262,144. A value of two bytes takes hundreds in memory, so bytes alone bound little. An index of
/// 50,000 images has 200,000 values, a config of 40,000 layers 41,000.
pub(crate) const MAX_JSON_VALUES: u64 = 256 * 1024;

/// Lists and objects in each other in a JSON text: 64. Those of images have six; what is nested is gone through once for each level.
pub(crate) const MAX_JSON_DEPTH: usize = 64;

/// Bytes that the headers of all members of a docker-archive or OCI archive may take together: 16 MiB, which is room for more than
/// 20,000 members. Images have a few hundred. A global header counts once for each member that it holds for.
pub(crate) const MAX_HEADERS: u64 = 16 * 1024 * 1024;

/// Bytes of zeros behind the end of a docker-archive or OCI archive that is not compressed: 16 MiB. `tar` fills up its last record,
/// which is 10 KiB unless told; a sparse file could have terabytes there.
pub(crate) const MAX_TRAILING: u64 = 16 * 1024 * 1024;

/// Bytes of an extended header or a GNU long name: 1 MiB, as Go's `archive/tar` has it.
pub(crate) const MAX_EXTENDED: u64 = 1024 * 1024;

/// Extended records of a member: 256. Files have a few, with one for each extended attribute; each costs a look at all others.
pub(crate) const MAX_RECORDS: usize = 256;

/// Parts of a sparse file: 1,048,576, as Go's `archive/tar` has it.
pub(crate) const MAX_SPARSE: usize = 1024 * 1024;

/// The largest window of a zstd stream, as a power of two in bytes: 32 MiB. RFC 8878 asks for 8 MiB; the `zstd` program
/// uses at most that up to level 19, Go's encoder (`BuildKit`, podman) 32 MiB at its best level. `--ultra` from 21 on and `--long`
/// ask for more, which would not fit in 64 MiB together with everything else.
pub(crate) const MAX_WINDOW_LOG: u32 = 25;

/// Bytes that decoding xz may take: 66 MiB, which `xz -9` needs. Memory is used as the stream fills it.
pub(crate) const MAX_XZ: u64 = 66 * 1024 * 1024;

/// How often a compressed archive is decompressed from its beginning: 16 times. One pass lists it, one or two read its layers, in
/// whichever order they stand. JSON texts beyond the first 8 MiB of them take one each.
pub(crate) const MAX_PASSES: u32 = 16;

/// Files and directories of an image that is exported, counting each name of all its layers once: 1,048,576. They take about 56 bytes
/// each and their names.
pub(crate) const MAX_NAMES: usize = 1024 * 1024;

/// Bytes of their names and of what symbolic links point to: 32 MiB.
pub(crate) const MAX_NAME_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of a path: 4,096, Linux' `PATH_MAX`. No container could open a longer one.
pub(crate) const MAX_PATH: usize = 4096;

/// Bytes of a file's name and of an owner's: 255, Linux' `NAME_MAX`.
pub(crate) const MAX_NAME: usize = 255;

/// Symbolic links that are followed for one path: 40, as Linux does.
pub(crate) const MAX_LINKS: usize = 40;

/// Parts of symbolic links' targets that are gone through for all paths of an image together: 16,777,216. Files below
/// `lib -> usr/lib` take two each.
pub(crate) const MAX_LINK_STEPS: u64 = 16 * 1024 * 1024;

/// Bytes of what is known of directories, but for their names: 16 MiB. Directories that differ only in name and time share it.
pub(crate) const MAX_ATTRIBUTES: usize = 16 * 1024 * 1024;

/// Bytes of an archive that comes through a pipe, and is put aside: 64 GiB. A pipe may never end.
pub(crate) const MAX_PIPED: u64 = 64 * 1024 * 1024 * 1024;

/// Memory for a Nix database that is read, in bytes: 64 MiB.
pub(crate) const MAX_DATABASE_MEMORY: u64 = 64 * 1024 * 1024;

/// Steps of `SQLite`'s machine for a closure: 1,000,000,000, some ten seconds. A store of a million paths takes a tenth of that.
pub(crate) const MAX_DATABASE_STEPS: u64 = 1_000_000_000;

/// Store paths in a closure, and references between them, that are read from a database: 1,048,576 each. A large closure has 20,000
/// paths with 200,000 references.
pub(crate) const MAX_DATABASE_ROWS: usize = 1024 * 1024;
