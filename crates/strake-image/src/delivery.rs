//! Layers on their way to destinations: each is read once, and compressed once, for however many there are.

use std::sync::atomic::AtomicU64;

use crate::blob::Blob;
use crate::cache::{Cache, Maker};
use crate::compression::{Compressing, Compression, Pool};
use crate::destination::Destination;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::Error;
use crate::layer::Layer;
use crate::sink::{Fan, Sink};

/// How layers are written.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// See [`Layer::write`].
    pub verify: bool,
    /// What compresses layers that nobody has compressed; `None`: they go as they are.
    pub pool: Option<&'a Pool>,
    /// Where it is remembered what layers become when they are compressed, if it is.
    pub cache: Option<&'a Cache>,
    /// Counts the bytes that are compressed.
    pub compressed: &'a AtomicU64,
}

/// What a layer will be when it is compressed.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The blob.
    pub blob: Blob,
    /// Who made it.
    pub maker: Maker,
}

/// Looks up what a layer will be when it is compressed. What others have made of it counts only where it is
/// `everywhere` already: it cannot be made here.
pub fn known(
    cache: &Cache,
    diff_id: Digest,
    compression: Compression,
    everywhere: impl Fn(&Blob) -> bool,
) -> Option<Known> {
    let look_up = |maker| Some(Known { blob: cache.blob(diff_id, maker)?, maker });
    let made = look_up(Maker::Here(compression));
    let is_everywhere = |known: &Known| everywhere(&known.blob);
    made.filter(is_everywhere)
        .or_else(|| look_up(Maker::Elsewhere(compression.codec())).filter(is_everywhere))
        .or(made)
}

impl<'a> Delivery<'a> {
    /// Writes what an engine describes, as it does so.
    pub fn new(engine: &Engine<'a>, pool: Option<&'a Pool>, compressed: &'a AtomicU64) -> Self {
        Self { verify: engine.verify, pool, cache: engine.cache, compressed }
    }

    /// Writes a layer to several destinations, reading it once, or not at all if none wants it. Returns what a manifest
    /// is to list.
    pub fn write(&self, layer: &Layer, destinations: &mut [&mut dyn Destination]) -> Result<Blob, Error> {
        let compresses = layer.is_plain() && !destinations.iter().all(|one| one.uncompressed_only());
        match self.pool.filter(|_| compresses) {
            Some(pool) => self.compress(layer, pool, destinations),
            None => self.write_plain(layer, destinations).map(|()| layer.blob),
        }
    }

    /// Writes what a manifest is to list of a layer to a single place, and returns what that is.
    pub fn write_blob(&self, layer: &Layer, sink: &mut dyn Sink) -> Result<Blob, Error> {
        let Some(pool) = self.pool.filter(|_| layer.is_plain()) else {
            self.read(layer, sink)?;
            return Ok(layer.blob);
        };
        let maker = Maker::Here(pool.compression());
        let known = self.cache.and_then(|cache| cache.blob(layer.diff_id, maker));
        let mut stream = Compressing::new(pool, sink, self.compressed)?;
        self.read(layer, &mut stream)?;
        let made = stream.finish()?;
        self.compare(layer, pool.compression(), known.map(|blob| Known { blob, maker }), made)?;
        Ok(made)
    }

    fn write_plain(&self, layer: &Layer, destinations: &mut [&mut dyn Destination]) -> Result<(), Error> {
        let mut sinks = Vec::with_capacity(destinations.len());
        for destination in &mut *destinations {
            sinks.extend(destination.begin(layer, Some(&layer.blob))?);
        }
        self.send(layer, sinks)?;
        destinations.iter_mut().try_for_each(|destination| destination.end(layer, &layer.blob))
    }

    fn compress(
        &self,
        layer: &Layer,
        pool: &Pool,
        destinations: &mut [&mut dyn Destination],
    ) -> Result<Blob, Error> {
        let known = self.cache.and_then(|cache| {
            let has = |one: &&mut dyn Destination, blob: &Blob| {
                one.uncompressed_only() || one.has(blob.digest, blob.size)
            };
            let everywhere = |blob: &Blob| destinations.iter().all(|one| has(one, blob));
            self::known(cache, layer.diff_id, pool.compression(), everywhere)
        });
        let (mut plain, mut compressed) = (Vec::new(), Vec::new());
        for destination in &mut *destinations {
            if destination.uncompressed_only() {
                plain.extend(destination.begin(layer, Some(&layer.blob))?);
            } else {
                compressed.extend(destination.begin(layer, known.as_ref().map(|known| &known.blob))?);
            }
        }
        let blob = match known {
            Some(known) if compressed.is_empty() => {
                self.send(layer, plain)?;
                known.blob
            }
            _ => {
                let mut compressed = Fan(compressed);
                let mut stream = Compressing::new(pool, &mut compressed, self.compressed)?;
                plain.push(&mut stream);
                self.send(layer, plain)?;
                let made = stream.finish()?;
                self.compare(layer, pool.compression(), known, made)?;
                made
            }
        };
        for destination in destinations {
            let as_it_is = destination.uncompressed_only();
            destination.end(layer, if as_it_is { &layer.blob } else { &blob })?;
        }
        Ok(blob)
    }

    fn send(&self, layer: &Layer, mut sinks: Vec<&mut dyn Sink>) -> Result<(), Error> {
        match &mut sinks[..] {
            [] => Ok(()),
            [sink] => self.read(layer, *sink),
            _ => self.read(layer, &mut Fan(sinks)),
        }
    }

    /// Writes the layer as it is. A digest that turns out to be wrong is forgotten.
    fn read(&self, layer: &Layer, sink: &mut dyn Sink) -> Result<(), Error> {
        let written = layer.write(self.verify, sink);
        if let (Err(Error::Changed { .. } | Error::Digest { .. }), Some(cache)) = (&written, self.cache) {
            cache.remove(layer.key());
        }
        written
    }

    /// Holds what was made against what was known, or remembers it.
    fn compare(
        &self,
        layer: &Layer,
        compression: Compression,
        known: Option<Known>,
        made: Blob,
    ) -> Result<(), Error> {
        let diff_id = layer.diff_id;
        let Some(cache) = self.cache else { return Ok(()) };
        if let Some(Known { blob, maker }) = known.filter(|known| known.blob != made) {
            cache.forget_blob(diff_id, maker);
            return Err(Error::Recompressed { expected: blob.digest, found: made.digest });
        }
        // What was made of files that may have changed unseen is not what belongs to the diff id for good.
        if known.is_none() && layer.settled {
            // If it cannot be, the layer is compressed once more the next time. That the cache cannot be written to is
            // found out and said where layers are digested.
            let _ = cache.remember_blob(diff_id, Maker::Here(compression), &made);
        }
        Ok(())
    }
}
