//! A target that keeps everything in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use strake_image::sink::{Sink, SinkError, read_some};
use strake_image::{
    BlobWriter, Content, Descriptor, Digest, Document, Layer, ListedImage, Report, Target, TargetError,
};

/// The contents of a target, and the calls that it received.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifests: Vec<Digest>,
    pub(crate) names: BTreeMap<String, Digest>,
    pub(crate) written: usize,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Kind {
    pub(crate) asks: bool,
    pub(crate) uncompressed_only: bool,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryTarget {
    kind: Kind,
    pub(crate) memory: Rc<RefCell<Memory>>,
}

struct Writer<'t>(&'t MemoryTarget, Vec<u8>);

impl MemoryTarget {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }

    fn put(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        let mut memory = self.memory.borrow_mut();
        memory.written += bytes.len();
        memory.blobs.insert(digest, bytes);
        digest
    }
}

impl Target for MemoryTarget {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn uncompressed_only(&self) -> bool {
        self.kind.uncompressed_only
    }

    fn asks(&self) -> bool {
        self.kind.asks
    }

    fn missing(&self, blobs: &[Descriptor]) -> Result<Vec<bool>, TargetError> {
        let memory = self.memory.borrow();
        Ok(blobs.iter().map(|blob| !memory.blobs.contains_key(&blob.digest)).collect())
    }

    fn blob<'t>(
        &'t mut self,
        _: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        let is_there = blob.is_some_and(|blob| self.memory.borrow().blobs.contains_key(&blob.digest));
        Ok((!is_there).then(|| Box::new(Writer(self, Vec::new())) as _))
    }

    fn send(&mut self, contents: &[&dyn Content], _: &Report<'_>) -> Result<Vec<Descriptor>, TargetError> {
        let mut sent = Vec::new();
        for content in contents {
            let known = content.descriptor().cloned();
            let is_there = |blob: &Descriptor| self.memory.borrow().blobs.contains_key(&blob.digest);
            sent.push(match known {
                Some(known) if is_there(&known) => known,
                known => {
                    let mut writer = Writer(self, Vec::new());
                    let made = content.write(&mut writer)?;
                    assert!(known.is_none_or(|known| known == made));
                    assert_eq!(self.put(writer.1), made.digest);
                    made
                }
            });
        }
        Ok(sent)
    }

    fn has(&mut self, manifest: &Document, _: bool) -> Result<bool, TargetError> {
        Ok(self.memory.borrow().manifests.contains(&manifest.digest()))
    }

    fn image(&mut self, listed: &ListedImage<'_>, _: &Report<'_>) -> Result<(), TargetError> {
        self.put(listed.image.config.text().to_vec());
        self.manifest(listed.manifest)
    }

    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError> {
        self.memory.borrow_mut().manifests.push(manifest.digest());
        Ok(())
    }

    fn finish(&mut self, top: &Document, names: &[String]) -> Result<(), TargetError> {
        let mut memory = self.memory.borrow_mut();
        memory.names.extend(names.iter().map(|name| (name.clone(), top.digest())));
        Ok(())
    }
}

impl Sink for Writer<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.1.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let start = self.1.len();
        self.1.resize(start + usize::try_from(length).unwrap(), 0);
        let mut done = 0;
        while done < length {
            let place = start + usize::try_from(done).unwrap();
            done += read_some(file, offset + done, &mut self.1[place..], length - done)? as u64;
        }
        Ok(())
    }
}

impl BlobWriter for Writer<'_> {
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError> {
        assert_eq!(self.0.put(self.1), blob.digest);
        Ok(())
    }
}
