//! The contents of layers, and their bytes, whole and in part.

use std::time::SystemTime;

use strake_image::compression::{Compression, Pool};
use strake_image::sink::{Sink, SinkError, read_some};
use strake_image::{CompressedContent, Content, Contents, Context, Description, Digest, Document, Format};

use crate::fixture::{Fixture, PATHS};

/// Gathers bytes.
#[derive(Default)]
struct Gather(Vec<u8>);

impl Sink for Gather {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, file: std::os::fd::BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let (mut buffer, mut done) = (vec![0; 64 * 1024], 0);
        while done < length {
            let most = usize::try_from(length - done).unwrap().min(buffer.len());
            let got = read_some(file, offset + done, &mut buffer[..most], length - done)?;
            self.0.extend_from_slice(&buffer[..got]);
            done += got as u64;
        }
        Ok(())
    }
}

/// Ranges are parts of the whole, which is what the descriptor says.
fn check(content: &dyn Content) {
    let mut whole = Gather::default();
    let made = content.write(&mut whole).unwrap();
    assert_eq!((made.digest, made.size), (Digest::of(&whole.0), whole.0.len() as u64));
    assert!(content.descriptor().is_none_or(|known| *known == made));
    let size = made.size;
    for (start, end) in
        [(0, size), (0, 1), (size / 2, size / 2 + 600), (size - 1, size), (size - 1, size + 9), (1, 1)]
    {
        let mut part = Gather::default();
        content.write_range(start..end, &mut part).unwrap();
        let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end.min(size)).unwrap());
        assert!(part.0 == whole.0[start..end], "{} {start}..{end}", content.title());
    }
}

#[test]
fn ranges_of_contents() {
    let fixture = Fixture::new();
    let pool = Pool::new(Compression::GZIP, 2.try_into().unwrap()).unwrap();
    let image = fixture.context.describe_image(fixture.draft("amd64")).unwrap();
    for one in &image.layers {
        let content = one.layer.content(&fixture.context);
        check(&content);
        check(&content.hashed());
        check(&CompressedContent::new(content, &pool, None));
    }
    check(&image.config);
    check(&Document::new(Format::Oci.manifest(), b"{}".to_vec()));
}

/// A layer of which only the description is known is hashed before a part of it leaves.
#[test]
fn ranges_of_described_layers() {
    let fixture = Fixture::new();
    let right = fixture.context.describe_image(fixture.draft("amd64")).unwrap();
    let context = Context { clock: || SystemTime::UNIX_EPOCH, ..fixture.context.clone() };
    for is_right in [true, false] {
        let mut draft = fixture.draft("amd64");
        for (layer, one) in draft.layers.iter_mut().zip(&right.layers) {
            let diff_id = if is_right { one.layer.diff_id } else { Digest::of(b"another") };
            layer.described = Some(Description { diff_id, size: one.layer.stored.size });
        }
        let image = context.describe_image(draft).unwrap();
        let bytes = image.layers[1].layer.content(&context);
        let mut part = Gather::default();
        assert_eq!(bytes.write_range(600..700, &mut part).is_ok(), is_right);
        assert_eq!(part.0.len(), if is_right { 100 } else { 0 });
    }
}

#[test]
fn contents_have_sizes_once_they_are_described() {
    let fixture = Fixture::new();
    let draft = fixture.draft("amd64");
    let sizes = |contents: &Contents| match contents {
        Contents::StorePaths(paths) => {
            paths.iter().map(|packed| (packed.path.to_string(), packed.size)).collect()
        }
        _ => Vec::new(),
    };
    assert_eq!(sizes(&draft.layers[0].contents), [(PATHS[0].to_owned(), None)]);
    let image = fixture.context.describe_image(draft).unwrap();
    let found: Vec<_> = image.layers.iter().flat_map(|one| sizes(&one.layer.draft.contents)).collect();
    // A header, and content in blocks of 512 bytes; a directory is a header.
    let expected = [(PATHS[0], 1024), (PATHS[1], 512 + 600_064), (PATHS[2], 512 + 512 + 1024)];
    let expected = expected.map(|(path, size): (&str, u64)| (path.to_owned(), Some(size)));
    assert_eq!(found, expected);
}
