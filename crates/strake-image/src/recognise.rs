//! Detects the format of a file or a directory from its content.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use crate::codec::Codec;
use crate::limits::MAX_HEADERS;
use crate::tar::{TarMember, TarReader};

/// A compressed archive is read in pieces of this size, in bytes.
const BUFFER: usize = 256 * 1024;

/// The forms of images in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageForm {
    /// An archive with a `manifest.json`, as `docker save` and dockerTools write it.
    DockerArchive,
    /// A directory with an `oci-layout`.
    LayoutDirectory,
    /// An archive with an `oci-layout`. It may have a `manifest.json` besides, as what new versions of Docker save.
    LayoutArchive,
}

/// The form of the image in a file or directory, plain or compressed. `None`: there is none. Whether it is a whole one is seen when it
/// is opened; an archive that is cut short in front of all that tells what it is, is an error.
pub fn image_form(path: &Path) -> io::Result<Option<ImageForm>> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Ok(path.join("oci-layout").is_file().then_some(ImageForm::LayoutDirectory));
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start)?;
    file.rewind()?;
    match Codec::detect(&start) {
        None => form(TarReader::seeking(file)),
        Some(codec) => match codec.decoder(BufReader::with_capacity(BUFFER, file)) {
            Ok(decoder) => form(TarReader::new(decoder)),
            Err(_) => Ok(None),
        },
    }
}

/// Whether bytes begin as an archive does, plain or compressed: `start` has at least its first blocks, where there are so many.
pub fn begins_as_archive(start: &[u8]) -> bool {
    Codec::detect(start).is_some() || matches!(TarReader::new(start).next_member(), Ok(Some(_)))
}

fn form<R: Read>(reader: TarReader<R>) -> io::Result<Option<ImageForm>> {
    let mut reader = reader.with_global_records().with_allowance(MAX_HEADERS);
    let (mut has_manifest, mut is_archive) = (false, false);
    loop {
        let name = match reader.next_member() {
            Ok(Some(TarMember { member, .. })) => member.name,
            Ok(None) => return Ok(has_manifest.then_some(ImageForm::DockerArchive)),
            Err(_) if has_manifest => return Ok(Some(ImageForm::DockerArchive)),
            Err(error) if is_archive => return Err(error),
            Err(_) => return Ok(None),
        };
        is_archive = true;
        match name.strip_prefix(b"./").unwrap_or(&name) {
            b"oci-layout" => return Ok(Some(ImageForm::LayoutArchive)),
            // Docker's is a list; other archives may have one of their own.
            b"manifest.json" => has_manifest |= begins_list(&mut reader),
            _ => {}
        }
    }
}

fn begins_list(content: &mut impl Read) -> bool {
    let mut start = Vec::new();
    let read = content.take(64).read_to_end(&mut start);
    read.is_ok() && start.trim_ascii_start().starts_with(b"[")
}
