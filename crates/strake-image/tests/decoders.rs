//! Compressed streams that others have made: all of them is read, and what one of those who read layers refuses is refused.

use std::io::{BufReader, Read, Write};

use strake_image::Codec;

const TEXT: &[u8] = b"What is in the layer, what is in the layer, and what is not in it.";

/// The decompressed stream, if it is valid, however few bytes come at once.
fn decompressed(codec: Codec, stream: &[u8]) -> Option<Vec<u8>> {
    let read = |at_once: usize, piece: usize| {
        let mut decoder = codec.decoder(BufReader::with_capacity(at_once, stream)).ok()?;
        let (mut out, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match decoder.read(&mut buffer) {
                Ok(0) => return Some(out),
                Ok(got) => out.extend_from_slice(&buffer[..got]),
                Err(_) => break,
            }
        }
        // Another read does not report the end here.
        assert!(decoder.read(&mut buffer).is_err(), "{codec:?}");
        None
    };
    let whole = read(1 << 16, 1 << 16);
    for (at_once, piece) in [(1, 1), (7, 1 << 16), (1 << 16, 3)] {
        assert_eq!(read(at_once, piece), whole, "{codec:?} {at_once} {piece}");
    }
    whole
}

fn check(name: &str, codec: Codec, stream: &[u8], expected: Option<&[u8]>) {
    assert_eq!(decompressed(codec, stream).as_deref(), expected, "{codec:?}, {name}");
}

fn compressed(codec: Codec) -> Vec<u8> {
    match codec {
        Codec::Gzip => gzip(0, b"", TEXT),
        Codec::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            encoder.write_all(TEXT).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(TEXT).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zstd => zstd(true),
    }
}

fn zstd(checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(checksum).unwrap();
    encoder.write_all(TEXT).unwrap();
    encoder.finish().unwrap()
}

/// A member with these flags and with what they say is in its header.
fn gzip(flags: u8, fields: &[u8], text: &[u8]) -> Vec<u8> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(text).unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(text);
    let header = [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], fields].concat();
    [&header, &deflate.finish().unwrap(), &crc.sum().to_le_bytes()[..], &crc.amount().to_le_bytes()].concat()
}

#[test]
fn whole_and_several() {
    for codec in Codec::ALL {
        let stream = compressed(codec);
        check("whole", codec, &stream, Some(TEXT));
        check("twice", codec, &[&stream[..], &stream].concat(), Some(&[TEXT, TEXT].concat()));
        assert_eq!(Codec::detect(&stream), Some(codec));
    }
}

#[test]
fn cut_or_with_more_behind() {
    for codec in Codec::ALL {
        let stream = compressed(codec);
        for length in 1..stream.len() {
            check("cut", codec, &stream[..length], None);
            check("the second is cut", codec, &[&stream[..], &stream[..length]].concat(), None);
        }
        // xz may be filled up to four bytes.
        for more in [&[0][..], &[0; 3], &[0; 10], &[0; 513], b"x", b"more", &[b'x'; 600], &[0, 0, 0, 0, b'x']]
        {
            check("more", codec, &[&stream, more].concat(), None);
        }
    }
}

/// Whatever byte is another one: nothing else comes out.
#[test]
fn no_other_content() {
    for codec in Codec::ALL {
        let stream = compressed(codec);
        for place in 0..stream.len() {
            for bit in 0..8 {
                let mut other = stream.clone();
                other[place] ^= 1 << bit;
                let found = decompressed(codec, &other);
                assert!(found.is_none_or(|found| found == TEXT), "{codec:?} {place} {bit}");
            }
        }
    }
}

#[test]
fn headers_and_trailers_of_gzip() {
    let (checksum, extra, name, comment) = (2, 4, 8, 16);
    let long = |length: usize| [vec![b'n'; length], vec![0]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&gzip(checksum, b"", b"")[..10]);
    let right = (crc.sum() as u16).to_le_bytes();
    let fine: [(u8, &[u8]); 7] = [
        (1, b""),
        (extra, &[&[2, 0][..], b"xy"].concat()),
        (name, b"name\0"),
        (name, &long(511)),
        (comment, &long(511)),
        (extra | name | comment, b"\x01\0xname\0comment\0"),
        (checksum, &right),
    ];
    for (flags, fields) in fine {
        check("header", Codec::Gzip, &gzip(flags, fields, TEXT), Some(TEXT));
    }
    let refused: [(u8, &[u8]); 10] = [
        (0x20, b""),
        (0x40, b""),
        (0x80, b""),
        (name, &long(512)),
        (comment, &long(70_000)),
        (checksum, &[right[0], right[1] ^ 1]),
        (checksum | extra, b"\0\0\0\0"),
        (checksum | name, b"\0\0\0"),
        (checksum | comment, b"\0\0\0"),
        (extra, b"\xff\xff"),
    ];
    for (flags, fields) in refused {
        check("header", Codec::Gzip, &gzip(flags, fields, TEXT), None);
        let second = [gzip(0, b"", TEXT), gzip(flags, fields, b"")].concat();
        check("the second header", Codec::Gzip, &second, None);
    }
    // As the programs write it that can seek in layers: a member with nothing but an extra field is the last.
    let footer = [gzip(0, b"", TEXT), gzip(extra, &[&[26, 0][..], &[b'x'; 26]].concat(), b"")].concat();
    check("footer", Codec::Gzip, &footer, Some(TEXT));
    let stream = gzip(0, b"", TEXT);
    let end = stream.len();
    for (name, trailer) in [("checksum", end - 8), ("length", end - 4)] {
        let mut wrong = stream.clone();
        wrong[trailer] ^= 1;
        check(name, Codec::Gzip, &wrong, None);
    }
}

#[test]
fn frames_of_zstd() {
    let frame = compressed(Codec::Zstd);
    let skipped =
        |length: u8| [&[0x5a, 0x2a, 0x4d, 0x18, length, 0, 0, 0], &vec![7; length.into()][..]].concat();
    for (name, stream) in [
        ("without a checksum", zstd(false)),
        ("skipped at the end", [&frame[..], &skipped(9)].concat()),
        ("skipped in front", [&skipped(9)[..], &frame].concat()),
        ("nothing skipped", [&frame[..], &skipped(0)].concat()),
    ] {
        check(name, Codec::Zstd, &stream, Some(TEXT));
    }
    for length in 1..17 {
        check("cut in what is skipped", Codec::Zstd, &[&frame, &skipped(9)[..length]].concat(), None);
    }
    // A frame of one block that states this number of bytes, and an empty one behind it, which libzstd accepts.
    let sized =
        |said: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, said, 0x18, 0, 0][..], b"abc", &[1, 0, 0]].concat();
    check("size", Codec::Zstd, &sized(3), Some(b"abc"));
    for said in [0, 2, 4, 200] {
        check("size", Codec::Zstd, &sized(said), None);
        check("size of the second", Codec::Zstd, &[&frame[..], &sized(said)].concat(), None);
    }
    // Formats of versions before 1.0.
    for old in 0x22..0x28 {
        check("old", Codec::Zstd, &[&frame[..], &[old, 0xb5, 0x2f, 0xfd], &[0; 20]].concat(), None);
    }
}

/// Padding may stand between streams of xz, in fours.
#[test]
fn padding_of_xz() {
    let stream = compressed(Codec::Xz);
    for (zeros, is_right) in [(4, true), (8, true), (6, false)] {
        let padded = [&stream[..], &vec![0; zeros], &stream].concat();
        check("padding", Codec::Xz, &padded, is_right.then_some(&[TEXT, TEXT].concat()));
    }
    // A checksum of a kind that is not known, in the header and the footer.
    let mut unknown = stream.clone();
    let end = unknown.len();
    unknown[7] = 2;
    unknown[end - 3] = 2;
    for range in [6..8, end - 8..end - 2] {
        let mut crc = flate2::Crc::new();
        crc.update(&unknown[range.clone()]);
        let place = if range.start == 6 { 8 } else { end - 12 };
        unknown[place..place + 4].copy_from_slice(&crc.sum().to_le_bytes());
    }
    check("unknown checksum", Codec::Xz, &unknown, None);
}

/// As Docker, containerd, skopeo and podman recognise them.
#[test]
fn how_streams_begin() {
    for (start, expected) in [
        (&[0x1f, 0x8b, 8, 0][..], Some(Codec::Gzip)),
        (&[0x1f, 0x8b, 7], None),
        (b"BZh", Some(Codec::Bzip2)),
        (b"BZhello", Some(Codec::Bzip2)),
        (b"BZ", None),
        (b"\xfd7zXZ\0", Some(Codec::Xz)),
        (b"\xfd7zXZ1", None),
        (&[0x28, 0xb5, 0x2f, 0xfd], Some(Codec::Zstd)),
        (&[0x50, 0x2a, 0x4d, 0x18], None),
        (b"", None),
    ] {
        assert_eq!(Codec::detect(start), expected, "{}", start.escape_ascii());
    }
}
