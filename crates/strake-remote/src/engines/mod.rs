//! Container engines: programs on this machine or another that keep images and run them.
//!
//! All of them take one form, a hybrid archive (`strake_image::layout`) that holds only the layers they lack. Each [`Engine`] says
//! what it has, takes such an archive, and says whether the image is whole; [`EngineTarget`] does the rest.

mod api;
mod connect;
mod containerd;
mod docker;
mod endpoint;
mod error;
mod kind;
mod podman;
mod program;
mod target;

use std::fs::File;

use strake_image::{Digest, Document, Image};

pub use containerd::Containerd;
pub use docker::Docker;
pub use endpoint::{DockerContext, Endpoint, EndpointError, TlsFiles};
pub use error::EngineError;
pub use kind::{KindNode, kind_nodes};
pub use podman::Podman;
pub use program::Program;
pub use target::EngineTarget;

/// An engine that images are loaded into.
pub trait Engine: Send + Sync {
    /// The name in messages.
    fn name(&self) -> String;

    /// The name that the engine has for what the user calls by this one.
    fn name_of(&self, name: &str) -> String {
        name.to_owned()
    }

    /// The engine's part of an image, and the images under its names. One request if the image is present.
    fn look(&self, wanted: &WantedImage<'_>) -> Result<Found, EngineError>;

    /// Gives an image that is there the names that it lacks.
    fn tag(&self, wanted: &WantedImage<'_>, names: &[String]) -> Result<(), EngineError>;

    /// Reads a hybrid archive of the image to its end.
    fn import(&self, wanted: &WantedImage<'_>, archive: Archive) -> Result<Imported, EngineError>;

    /// Whether the image is there under its names and nothing is missing of it, if `import` does not prove that.
    fn is_whole(&self, _wanted: &WantedImage<'_>) -> Result<bool, EngineError> {
        Ok(true)
    }

    /// Whether layers are kept there as they are sent, so that a push from there sends them so. Known after `look`.
    fn keeps_blobs(&self) -> bool {
        false
    }

    /// How to run the image of this name.
    fn run_command(&self, name: &str) -> Option<Vec<String>>;
}

/// An image that an engine is to have.
#[derive(Clone, Copy)]
pub struct WantedImage<'w> {
    /// The names that it is to have, with tags.
    pub names: &'w [String],
    /// The image.
    pub image: &'w Image,
    /// Its manifest.
    pub manifest: &'w Document,
}

impl WantedImage<'_> {
    /// The digests of the blobs of its layers, lowest first.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        self.image.layers.iter().map(|layer| layer.descriptor.digest)
    }
}

/// An archive on its way to an engine: the end of a pipe to read from.
pub struct Archive {
    /// The pipe.
    pub pipe: File,
    /// Whether everything was written into it. An end of the pipe without this means that the archive is cut off.
    pub is_complete: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// The parts of an image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Names that other images have, each with the ID of that image.
    pub replaced: Vec<(String, String)>,
    /// The parts of the image that are present.
    pub presence: Presence,
}

/// The parts of an image that are present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// All of it, but for these names.
    Whole {
        /// The names that it lacks.
        unnamed: Vec<String>,
    },
    /// Which of the layers need not be sent, lowest first, as far as that is known.
    Layers(Vec<bool>),
}

/// The result of loading an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The engine has taken it.
    Taken,
    /// The engine lacks the layer in this place, and may lack those above it.
    LacksFrom(usize),
    /// The engine lacks something.
    Lacks,
}
