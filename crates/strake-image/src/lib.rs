//! The bytes of a container image: plans, recipes for layers, tar streams, digests, configs, archives.
//!
//! An image is described first (its layers are hashed, or their digests are found in the cache), then delivered to any number
//! of targets. This writes the image of a conf as a docker-archive:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (root, target) = (concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/hello"), tempfile::tempdir()?);
//! use strake_image::archive::ArchiveTarget;
//! use strake_image::deliver::{Options, deliver};
//! use strake_image::spec::{Spec, Surroundings};
//! use strake_image::{Context, Output, Store};
//!
//! let spec = Spec::parse(&std::fs::read(format!("{root}/conf.json"))?)?;
//! let context = Context::new(Store::new(spec.store_dir.clone(), root), std::time::SystemTime::now);
//! let draft = spec.draft_alone(&Surroundings::new(&context.store, (context.clock)()))?;
//! let output = Output::create(&target.path().join("hello.tar"))?;
//! let archive = ArchiveTarget::new(output, draft.about.mtime(), &context.progress.written)?;
//! let delivered =
//!     deliver(&context, draft.into(), &mut [Box::new(archive)], &Options::default(), &|_| {})?;
//! assert_eq!(delivered.images[0].tags, ["hello:1.0"]);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** nothing here prints, reads the clock or the environment, opens a socket, or exits.

pub mod archive;
pub mod cache;
pub mod compression;
pub mod customisation;
pub mod deliver;
pub mod flatten;
pub mod layout;
pub mod manifest;
pub mod nix_database;
pub mod parsed;
pub mod plan;
#[doc(hidden)]
pub mod python;
pub mod recipe;
pub mod recognise;
pub mod reference;
pub mod sink;
pub mod spec;
pub mod tar;
#[doc(hidden)]
pub mod testing;
pub mod verify;

mod archive_stream;
mod codec;
mod compressed;
mod content;
mod context;
mod descriptor;
mod diff_ids;
mod digest;
mod directory_handle;
mod document;
mod draft;
mod engine;
mod error;
mod etc_changes;
mod event;
mod fingerprint;
mod image;
mod kernel;
mod layer;
mod limits;
mod media_type;
mod new_file;
mod output;
mod platform;
mod progress;
mod sha256;
mod spool;
mod store;
mod survey;
mod target;
mod tree;

pub use codec::Codec;
pub use compressed::{CompressedContent, KnownBlob};
pub use content::Content;
pub use context::Context;
pub use descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
pub use diff_ids::DiffIds;
pub use digest::{Digest, DigestError, Hasher};
pub use document::Document;
pub use draft::{
    About, Contents, Description, Draft, Given, LayerDraft, Origin, PackedPath, Settings, summary,
};
pub use engine::DescribeError;
pub use error::Error;
pub use etc_changes::EtcChanges;
pub use event::{Event, LoadedImage, Outcome, Report};
pub use image::{Image, ImageLayer};
pub use layer::{Layer, LayerContent};
pub use media_type::{Format, LayerType, MediaType};
pub use output::{Output, OutputError};
pub use platform::{Platform, PlatformPick};
pub use progress::Progress;
pub use sha256::{Lanes, streams_per_processor};
pub use spool::{Piped, Spool};
pub use store::Store;
pub use survey::Survey;
pub use target::{BlobWriter, ListedImage, Target, TargetError};
