//! Container engines as a target: several, where an image goes to all nodes of a cluster.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use strake_image::layout::LayoutArchiveTarget;
use strake_image::{
    BlobWriter, Content, Context, Descriptor, Digest, Document, Error, Event, Layer, ListedImage,
    LoadedImage, Outcome, Output, Report, Spool, Target, TargetError,
};

use super::error::EngineError;
use super::{Archive, Engine, Found, Imported, Presence, WantedImage};

/// Maximum number of archives sent for one image: the first may be a question, and what an engine has may be gone when it is needed.
const ATTEMPTS: usize = 4;

/// Loads images into engines.
pub struct EngineTarget<'c> {
    engines: Vec<Box<dyn Engine>>,
    name: String,
    names: Option<Vec<String>>,
    context: &'c Context,
    mtime: i64,
    /// Where layers are put aside that are compressed on their way: their digests stand in front of them.
    aside: PathBuf,
    compressed: HashMap<Digest, Spool>,
}

impl<'c> EngineTarget<'c> {
    /// `name` is what messages call all of these engines, `names` are the image's in place of its own, `mtime` is the time of what an
    /// archive holds, in seconds since 1970. Layers that are compressed on their way are put aside in the directory `aside`.
    pub fn new(
        engines: Vec<Box<dyn Engine>>,
        name: String,
        names: Option<Vec<String>>,
        mtime: i64,
        aside: PathBuf,
        context: &'c Context,
    ) -> Self {
        Self { engines, name, names, context, mtime, aside, compressed: HashMap::new() }
    }

    /// Loads an image into one engine.
    fn load(
        &self,
        engine: &dyn Engine,
        listed: &ListedImage<'_>,
        names: &[String],
        report: &Report<'_>,
    ) -> Result<(), TargetError> {
        let begun = (self.context.clock)();
        let names: Vec<String> = names.iter().map(|name| engine.name_of(name)).collect();
        let names = &names[..];
        let wanted = WantedImage { names, image: listed.image, manifest: listed.manifest };
        let Found { replaced, presence } = engine.look(&wanted)?;
        let (there, is_new) = match presence {
            Presence::Whole { unnamed } => {
                if !unnamed.is_empty() {
                    engine.tag(&wanted, &unnamed)?;
                }
                (vec![true; listed.image.layers.len()], false)
            }
            Presence::Layers(there) => (self.send(engine, &wanted, listed, there, report)?, true),
        };
        let mut sent = 0;
        for (layer, is_there) in listed.image.layers.iter().zip(&there) {
            let outcome = if *is_there { Outcome::Had } else { Outcome::Sent };
            sent += if *is_there { 0 } else { layer.descriptor.size };
            let (target, title, descriptor) = (&*self.name, &*layer.layer.title, &layer.descriptor);
            report(Event::Blob { target, title, descriptor, outcome, took: std::time::Duration::ZERO });
        }
        let is_plain = |place: usize| {
            listed.image.layers[place].layer.stored.is_same_blob(&listed.image.layers[place].descriptor)
                && listed.image.layers[place].layer.is_plain()
        };
        let sent_plain = (0..there.len()).any(|place| !there[place] && is_plain(place));
        report(Event::Loaded(&LoadedImage {
            engine: &engine.name(),
            names,
            id: listed.image.id(),
            replaced: &replaced,
            is_new,
            sent,
            layers_sent: there.iter().filter(|is_there| !**is_there).count(),
            layers_had: there.iter().filter(|is_there| **is_there).count(),
            stays_uncompressed: engine.keeps_blobs() && sent_plain,
            run: names.first().and_then(|name| engine.run_command(name)),
            took: (self.context.clock)().duration_since(begun).unwrap_or_default(),
        }));
        Ok(())
    }

    /// Sends the layers that are missing, and once more what turns out to be. Returns which were there.
    fn send(
        &self,
        engine: &dyn Engine,
        wanted: &WantedImage<'_>,
        listed: &ListedImage<'_>,
        mut there: Vec<bool>,
        report: &Report<'_>,
    ) -> Result<Vec<bool>, TargetError> {
        for _ in 0..ATTEMPTS {
            report(self.sending(listed, &there));
            let imported = self.archive(engine, wanted, listed, &there)?;
            let was_all = !there.contains(&true);
            match imported {
                Imported::Taken if engine.is_whole(wanted)? => return Ok(there),
                Imported::LacksFrom(place) => there[place..].fill(false),
                Imported::Taken | Imported::Lacks => there.fill(false),
            }
            if was_all {
                break;
            }
        }
        Err(EngineError::Incomplete { engine: engine.name() }.into())
    }

    /// All but these layers are about to be sent.
    fn sending(&self, listed: &ListedImage<'_>, there: &[bool]) -> Event<'static> {
        let missing: Vec<usize> = (0..there.len()).filter(|place| !there[*place]).collect();
        // Compressed layers are read from their temporary files.
        let is_read =
            |place: &&usize| !self.compressed.contains_key(&listed.image.layers[**place].descriptor.digest);
        let bytes = missing.iter().filter(is_read).map(|place| listed.contents[*place].source_size()).sum();
        Event::Sending { blobs: missing.len(), bytes }
    }

    /// Sends an archive once.
    fn archive(
        &self,
        engine: &dyn Engine,
        wanted: &WantedImage<'_>,
        listed: &ListedImage<'_>,
        there: &[bool],
    ) -> Result<Imported, TargetError> {
        let (reader, writer) = std::io::pipe().map_err(Error::Write)?;
        let is_complete = Arc::new(AtomicBool::new(false));
        let archive = Archive { pipe: File::from(OwnedFd::from(reader)), is_complete: is_complete.clone() };
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let writer = File::from(OwnedFd::from(writer));
                // Until this is dropped the pipe does not end.
                let open = writer.try_clone().map_err(Error::Write)?;
                self.write(Output::Special(writer, "pipe".into()), wanted.names, listed, there)?;
                is_complete.store(true, Ordering::Release);
                drop(open);
                Ok(())
            });
            let imported = engine.import(wanted, archive);
            let written = writing.join().unwrap_or(Err(TargetError::Write(Error::Cancelled)));
            match (imported, written) {
                // A read error is the cause of the errors that follow from it.
                (_, Err(error)) if !is_closed(&error) => Err(error),
                (imported, _) => Ok(imported?),
            }
        })
    }

    fn write(
        &self,
        output: Output,
        names: &[String],
        listed: &ListedImage<'_>,
        there: &[bool],
    ) -> Result<(), TargetError> {
        let progress = &self.context.progress.written;
        let archive =
            LayoutArchiveTarget::new(output, self.mtime, Some(names.to_vec()), self.aside.clone(), progress);
        let mut archive =
            archive.map_err(|error| Error::Output { path: error.path, source: error.source })?.hybrid();
        for (place, one) in listed.image.layers.iter().enumerate().filter(|(place, _)| !there[*place]) {
            let Some(mut blob) = archive.blob(&one.layer, Some(&one.descriptor))? else { continue };
            match self.compressed.get(&one.descriptor.digest) {
                Some(aside) => blob.file(aside.content(), 0, one.descriptor.size)?,
                None => drop(listed.contents[place].write(&mut *blob)?),
            }
            blob.finish(&one.descriptor)?;
        }
        archive.image(listed, &|_| {})?;
        archive.finish(listed.manifest, names)
    }
}

/// Whether the other side has gone away, and says why itself.
fn is_closed(error: &TargetError) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        let system = error.downcast_ref::<std::io::Error>();
        if system.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        source = error.source();
    }
    false
}

impl Target for EngineTarget<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// An engine runs one image of an index.
    fn has_manifests(&self) -> bool {
        false
    }

    fn asks(&self) -> bool {
        true
    }

    /// Missing layers are queried when all layers are known.
    fn blob<'t>(
        &'t mut self,
        _: &Layer,
        _: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        Ok(None)
    }

    /// Compresses what is to be compressed and is not known. The rest waits until it is known what is there.
    fn send(&mut self, contents: &[&dyn Content], _: &Report<'_>) -> Result<Vec<Descriptor>, TargetError> {
        let mut descriptors = Vec::with_capacity(contents.len());
        for content in contents {
            if let Some(descriptor) = content.descriptor() {
                descriptors.push(descriptor.clone());
                continue;
            }
            let mut aside = Spool::new(&self.aside).map_err(Error::Write)?;
            let descriptor = content.write(&mut aside)?;
            self.compressed.insert(descriptor.digest, aside);
            descriptors.push(descriptor);
        }
        Ok(descriptors)
    }

    fn image(&mut self, listed: &ListedImage<'_>, report: &Report<'_>) -> Result<(), TargetError> {
        let names = self.names.clone().unwrap_or_else(|| listed.image.tags.clone());
        if names.is_empty() {
            return Err(EngineError::NoName.into());
        }
        let this = &*self;
        let one = |engine: &dyn Engine| this.load(engine, listed, &names, report);
        if let [engine] = &this.engines[..] {
            return one(&**engine);
        }
        thread::scope(|scope| {
            let one = &one;
            let loads: Vec<_> =
                this.engines.iter().map(|engine| scope.spawn(move || one(&**engine))).collect();
            let results: Vec<_> = loads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            results
                .into_iter()
                .try_for_each(|result| result.unwrap_or(Err(TargetError::Write(Error::Cancelled))))
        })
    }

    /// There is no place for it.
    fn manifest(&mut self, _: &Document) -> Result<(), TargetError> {
        Ok(())
    }

    fn finish(&mut self, _: &Document, _: &[String]) -> Result<(), TargetError> {
        Ok(())
    }
}

impl From<EngineError> for TargetError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Write(error) => Self::Write(error),
            error => Self::Remote(Box::new(error)),
        }
    }
}
