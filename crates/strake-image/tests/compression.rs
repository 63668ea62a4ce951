//! Compressed streams: the same bytes however they are made, and what other programs take for them.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use strake_image::compression::{Compressing, Compression, Pool};
use strake_image::sink::{Sink, SinkError};
use strake_image::{Codec, Descriptor, Digest};
use strake_testkit::command::command;
use strake_testkit::layer::python;
use strake_testkit::peer::with_stdin;

/// Gathers what it takes.
#[derive(Default)]
struct Gather(Vec<u8>);

impl Sink for Gather {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, _: std::os::fd::BorrowedFd<'_>, _: u64, length: u64) -> Result<(), SinkError> {
        Err(SinkError::Short { missing: length })
    }
}

fn pool(compression: &str, threads: usize) -> Pool {
    Pool::new(compression.parse().unwrap(), NonZeroUsize::new(threads).unwrap()).unwrap()
}

/// What the bytes become if they are given in pieces of these lengths, in turn. Every second piece comes from a file.
fn compressed(pool: &Pool, data: &[u8], pieces: &[usize]) -> (Descriptor, Vec<u8>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    let (mut out, progress) = (Gather::default(), AtomicU64::new(0));
    let mut stream = Compressing::new(pool, &mut out, &progress).unwrap();
    let mut done = 0;
    for (number, piece) in pieces.iter().cycle().enumerate() {
        if done == data.len() {
            break;
        }
        let piece = (*piece).min(data.len() - done);
        if number % 2 == 0 {
            stream.bytes(&data[done..done + piece]).unwrap();
        } else {
            stream.file(file.as_fd(), done as u64, piece as u64).unwrap();
        }
        done += piece;
    }
    let blob = stream.finish().unwrap();
    assert_eq!(progress.into_inner(), data.len() as u64);
    (blob, out.0)
}

/// Bytes that look like those of a layer: some repeat, some do not.
fn layer(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut data = Vec::with_capacity(length + 64);
    while data.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = state >> 33;
        match number % 4 {
            0 => data.extend_from_slice(&state.to_le_bytes()),
            1 if !data.is_empty() => {
                let from = number as usize % data.len();
                let to = (from + 40).min(data.len());
                data.extend_from_within(from..to);
            }
            _ => data.extend_from_slice(b"/nix/store/00000000000000000000000000000000-name"),
        }
    }
    data.truncate(length);
    data
}

/// What a decompressor that others have written makes of it.
fn decompressed(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        // Stops after the first member.
        Codec::Gzip => flate2::read::GzDecoder::new(data).read_to_end(&mut out).unwrap(),
        _ => codec.decoder(data).unwrap().read_to_end(&mut out).unwrap(),
    };
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_however_it_is_made(
        length in prop_oneof![0usize..10, 0usize..3_000_000, 4_190_000usize..4_200_000, Just(262_144), Just(524_288), Just(2_097_152)],
        seed: u64,
        threads in 1usize..6,
        pieces in prop::collection::vec(prop_oneof![1usize..600_000, 2_000_000usize..5_000_000], 1..5),
        compression in prop_oneof![Just("gzip"), Just("gzip:1"), Just("gzip:9"), Just("zstd"), Just("zstd:1"), Just("zstd:7")],
    ) {
        let data = layer(length, seed);
        let (blob, out) = compressed(&pool(compression, threads), &data, &pieces);
        let (once, expected) = compressed(&pool(compression, 1), &data, &[length.max(1)]);
        prop_assert!(out == expected);
        prop_assert_eq!(&blob, &once);
        prop_assert_eq!(blob.digest, Digest::of(&out));
        prop_assert_eq!(blob.size, out.len() as u64);
        prop_assert!(Codec::detect(&out) == blob.codec());
        prop_assert!(decompressed(blob.codec().unwrap(), &out) == data);
    }
}

/// Every level, and streams that share a pool.
#[test]
fn levels_and_streams_at_once() {
    let data: Vec<Vec<u8>> = (0..3).map(|seed| layer(1_000_000 + 700_000 * seed, seed as u64)).collect();
    let levels = (1..=9).map(|level| format!("gzip:{level}"));
    let levels = levels.chain([2, 3, 4, 5, 8, 9, 12, 13, 16, 19].map(|level| format!("zstd:{level}")));
    for compression in levels {
        let shared = pool(&compression, 2);
        std::thread::scope(|scope| {
            for data in &data {
                let (shared, compression) = (&shared, &compression);
                scope.spawn(move || {
                    let (blob, out) = compressed(shared, data, &[100_000]);
                    assert!(decompressed(blob.codec().unwrap(), &out) == *data, "{compression}");
                    // The last stream's first block is compressed by a thread that has done others.
                    assert_eq!(
                        compressed(&pool(compression, 1), data, &[data.len()]).0,
                        blob,
                        "{compression}"
                    );
                });
            }
        });
    }
}

/// An encoder that writes other bytes needs another name in `Compression::identity`.
#[test]
fn known_bytes() {
    let data = layer(5_000_000, 7);
    let expected = [
        "gzip:1 827626 b514b53c0e4439ce0c93656771e7c5579c3165e2dd1dbb93a86bdaba67c78450",
        "gzip:3 700634 930b04e7c02631a055aa9b80a1a222ae48ed9924c29d6ff0dd88978a74100cda",
        "gzip:6 603839 dad2108d5f17edd55f74629be191f3c898eb175ff7311317b4aadd13ac41264c",
        "gzip:9 580224 c1c3fbf9f3bc4894f5f1960d8ccf88c14f603479b28f69643b4c91deb4a4394c",
        "zstd:1 690007 7ee32fd6457f8a93dfce870eaf89f6b8129e98f3b5d517ef9dcec6843eb082fb",
        "zstd:3 636660 3c7cfde8332a3e8ea100d72d5c2cf702a5470808bfe8e3e339f35d13588ef842",
        "zstd:9 544991 802ca97db2337f16d0b0ccb550a9f3843bb9ffd834a5ed0b9611b98f8b6f67a0",
        "zstd:19 495718 d7fb8b2fa106576b00a26e1e2809ef35b48a2b9459f0bb8c01add8d1f0009bfe",
    ];
    let found = ["gzip:1", "gzip:3", "gzip:6", "gzip:9", "zstd:1", "zstd:3", "zstd:9", "zstd:19"].map(
        |compression| {
            let (blob, _) = compressed(&pool(compression, 2), &data, &[1_000_000]);
            format!("{compression} {} {}", blob.size, blob.digest.hex())
        },
    );
    assert_eq!(found, expected);
    let empty = |compression| compressed(&pool(compression, 1), b"", &[1]).1;
    assert_eq!(empty("gzip"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(empty("zstd"), [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
}

/// Python's zlib, one member only, and the programs.
#[test]
fn others_read_it() {
    const MEMBER: &str = "
import sys, zlib
decoder = zlib.decompressobj(wbits=31)
sys.stdout.buffer.write(decoder.decompress(sys.stdin.buffer.read()))
assert decoder.eof and not decoder.unused_data
";
    let data = layer(5_000_000, 3);
    let place = tempfile::tempdir().unwrap();
    for (compression, program) in
        [("gzip", "gzip"), ("zstd", "zstd"), ("gzip:1", "gzip"), ("zstd:19", "zstd")]
    {
        let (_, out) = compressed(&pool(compression, 2), &data, &[1_000_000]);
        let file = place.path().join("compressed");
        std::fs::write(&file, &out).unwrap();
        assert!(with_stdin(command(program, ["-t"]), &file).is_empty());
        assert!(with_stdin(command(program, ["-dc"]), &file) == data, "{compression}");
        if program == "gzip" {
            assert!(python(MEMBER, &[], &out) == data, "{compression}");
        }
    }
}

/// A sink that takes only so much.
struct Full(usize);

impl Sink for Full {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0 =
            self.0.checked_sub(data.len()).ok_or(SinkError::Write(std::io::ErrorKind::StorageFull.into()))?;
        Ok(())
    }

    fn file(&mut self, _: std::os::fd::BorrowedFd<'_>, _: u64, length: u64) -> Result<(), SinkError> {
        Err(SinkError::Short { missing: length })
    }
}

/// Streams that fail or are given up leave the pool as it was.
#[test]
fn streams_that_end_early() {
    let data = layer(6_000_000, 5);
    let (progress, compression) = (AtomicU64::new(0), Compression::GZIP);
    let shared = Pool::new(compression, NonZeroUsize::MIN).unwrap();
    for room in [0, 10, 100_000] {
        let mut full = Full(room);
        let mut run = || {
            let mut stream = Compressing::new(&shared, &mut full, &progress)?;
            stream.bytes(&data)?;
            stream.finish()
        };
        assert!(
            matches!(run(), Err(SinkError::Write(error)) if error.kind() == std::io::ErrorKind::StorageFull)
        );
        let mut full = Full(10_000_000);
        let mut given_up = Compressing::new(&shared, &mut full, &progress).unwrap();
        given_up.bytes(&data).unwrap();
        drop(given_up);
        // A file that ends too soon.
        let mut out = Gather::default();
        let mut short = Compressing::new(&shared, &mut out, &progress).unwrap();
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(short.file(file.as_fd(), 0, 5), Err(SinkError::Short { missing: 5 })));
    }
    let (mut first, mut second) = (Gather::default(), Gather::default());
    // Two on one thread.
    let mut one = Compressing::new(&shared, &mut first, &progress).unwrap();
    one.bytes(&data).unwrap();
    let mut other = Compressing::new(&shared, &mut second, &progress).unwrap();
    other.bytes(&data).unwrap();
    assert_eq!(other.finish().unwrap(), one.finish().unwrap());
    assert!(decompressed(Codec::Gzip, &first.0) == data && first.0 == second.0);
}
