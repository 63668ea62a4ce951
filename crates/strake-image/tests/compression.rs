//! Compressed streams: the same bytes however they are made, and what other programs take for them.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use strake_image::compression::{Compressing, Compression, Pool};
use strake_image::sink::{Sink, SinkError};
use strake_image::{Codec, Descriptor, Digest};
use strake_testkit::command::{command, stdout_of};
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

/// The compressed bytes if the input comes in pieces of these lengths, in turn. Every second piece comes from a file.
fn compressed(pool: &Pool, data: &[u8], pieces: &[usize]) -> (Descriptor, Vec<u8>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    let (mut out, progress) = (Gather::default(), AtomicU64::new(0));
    let mut stream = Compressing::new(pool, &mut out, &progress);
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

/// The output of a third-party decompressor.
fn decompressed(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        Codec::Gzip => flate2::read::MultiGzDecoder::new(data).read_to_end(&mut out).unwrap(),
        _ => codec.decoder(data).unwrap().read_to_end(&mut out).unwrap(),
    };
    // strake's own reader is stricter.
    let mut own = Vec::new();
    codec.decoder(data).unwrap().read_to_end(&mut own).unwrap();
    assert!(own == out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_however_it_is_made(
        length in prop_oneof![0usize..10, 0usize..3_000_000, 4_190_000usize..4_200_000, Just(1_048_576), Just(2_097_152)],
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
    let levels = (1..=9).chain([12]).map(|level| format!("gzip:{level}"));
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
        "gzip:1 691013 4879b1e567d5bf0b151445fd966e1750fd7d08e8df3c643e319b42c2f7994ce4",
        "gzip:2 702970 5578dfb13d0e55717f4a95d9da84af511cb79d3e4fba3696bea412911271a202",
        "gzip:6 618782 f244603a5a6fb5b2a63aa066c10cec0ff4495920a7a610472a0cb35fe61d7376",
        "gzip:9 584858 4c98450bf0db8cf1febc65e024c8c7350a54c0a278c22ffff957c1fff1acd845",
        "gzip:12 570407 9975cb395af42dca6b2863c0558dc23c623b10999958209659307aeb9942e64a",
        "zstd:1 690007 7ee32fd6457f8a93dfce870eaf89f6b8129e98f3b5d517ef9dcec6843eb082fb",
        "zstd:3 636660 3c7cfde8332a3e8ea100d72d5c2cf702a5470808bfe8e3e339f35d13588ef842",
        "zstd:9 544991 802ca97db2337f16d0b0ccb550a9f3843bb9ffd834a5ed0b9611b98f8b6f67a0",
        "zstd:19 495718 d7fb8b2fa106576b00a26e1e2809ef35b48a2b9459f0bb8c01add8d1f0009bfe",
    ];
    let found = ["gzip:1", "gzip:2", "gzip:6", "gzip:9", "gzip:12", "zstd:1", "zstd:3", "zstd:9", "zstd:19"]
        .map(|compression| {
            let (blob, _) = compressed(&pool(compression, 2), &data, &[1_000_000]);
            format!("{compression} {} {}", blob.size, blob.digest.hex())
        });
    assert_eq!(found, expected);
    let empty = |compression| compressed(&pool(compression, 1), b"", &[1]).1;
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(empty("gzip"), gzip);
    assert_eq!(empty("zstd"), [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
}

/// A program that compresses stdin with libdeflate.
const COMPRESS: &str = r"
#include <stdio.h>
#include <stdlib.h>
#include <libdeflate.h>
int main(int argc, char **argv) {
    size_t size = 4 << 20, length, bound;
    char *in = malloc(size), *out;
    struct libdeflate_compressor *encoder = libdeflate_alloc_compressor(atoi(argv[1]));
    length = fread(in, 1, size, stdin);
    bound = libdeflate_gzip_compress_bound(encoder, length);
    out = malloc(bound);
    return fwrite(out, 1, libdeflate_gzip_compress(encoder, in, length, out, bound), stdout) == 0;
}
";

/// Where libdeflate's source is that strake is built with.
fn libdeflate() -> PathBuf {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = stdout_of(command(
        env!("CARGO"),
        ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &platform],
    ));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    let is_it = |package: &&serde_json::Value| package["name"] == "libdeflate-sys";
    let package = metadata["packages"].as_array().unwrap().iter().find(is_it).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("libdeflate")
}

/// The same bytes on processors with other instructions. libdeflate asks for them while it runs (checksums), and where it is
/// compiled (match finders); with them switched off in both ways it writes what strake writes.
#[test]
fn gzip_does_not_depend_on_the_processor() {
    const FILES: [&str; 7] = [
        "arm/cpu_features.c",
        "x86/cpu_features.c",
        "adler32.c",
        "crc32.c",
        "deflate_compress.c",
        "gzip_compress.c",
        "utils.c",
    ];
    let (place, source, data) = (tempfile::tempdir().unwrap(), libdeflate(), layer(1_000_000, 11));
    let at = |name: &str| place.path().join(name);
    std::fs::write(at("main.c"), COMPRESS).unwrap();
    std::fs::write(at("data"), &data).unwrap();
    let (plain, all) = match std::env::consts::ARCH {
        "x86_64" => (
            &["-mno-avx", "-mno-sse2", "-mno-sse"][..],
            "sse2,pclmulqdq,avx,avx2,bmi2,zmm,avx512bw,avx512vl,vpclmulqdq,avx512_vnni,avx_vnni",
        ),
        "aarch64" => (&[][..], "neon,pmull,prefer_pmull,crc32,sha3,dotprod"),
        _ => (&[][..], ""),
    };
    for flags in [&["-O3", "-march=native"][..], &[&["-O1"], plain].concat()] {
        let mut compiler = command("cc", flags);
        compiler.arg("-DTEST_SUPPORT__DO_NOT_USE").arg("-I").arg(&source).arg("-o").arg(at("compress"));
        compiler.args(FILES.map(|file| source.join("lib").join(file))).arg(at("main.c"));
        stdout_of(compiler);
        for level in [1, 2, 6, 9, 12] {
            let expected = compressed(&pool(&format!("gzip:{level}"), 1), &data, &[data.len()]).1;
            for without in ["", all] {
                let mut program = command(at("compress"), [level.to_string()]);
                program.env("LIBDEFLATE_DISABLE_CPU_FEATURES", without);
                assert!(with_stdin(program, &at("data")) == expected, "{flags:?} {without} {level}");
            }
        }
    }
}

/// Python's gzip, and the programs.
#[test]
fn others_read_it() {
    const PYTHON: &str = "
import gzip, sys
sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))
";
    let data = layer(5_000_000, 3);
    let place = tempfile::tempdir().unwrap();
    for (compression, program) in
        [("gzip", "gzip"), ("zstd", "zstd"), ("gzip:12", "gzip"), ("zstd:19", "zstd")]
    {
        let (_, out) = compressed(&pool(compression, 2), &data, &[1_000_000]);
        let file = place.path().join("compressed");
        std::fs::write(&file, &out).unwrap();
        assert!(with_stdin(command(program, ["-t"]), &file).is_empty());
        assert!(with_stdin(command(program, ["-dc"]), &file) == data, "{compression}");
        if program == "gzip" {
            assert!(python(PYTHON, &[], &out) == data, "{compression}");
        }
    }
}

/// A sink that takes a limited number of bytes.
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
            let mut stream = Compressing::new(&shared, &mut full, &progress);
            stream.bytes(&data)?;
            stream.finish()
        };
        assert!(
            matches!(run(), Err(SinkError::Write(error)) if error.kind() == std::io::ErrorKind::StorageFull)
        );
        let mut full = Full(10_000_000);
        let mut given_up = Compressing::new(&shared, &mut full, &progress);
        given_up.bytes(&data).unwrap();
        drop(given_up);
        // A file that ends too soon.
        let mut out = Gather::default();
        let mut short = Compressing::new(&shared, &mut out, &progress);
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(short.file(file.as_fd(), 0, 5), Err(SinkError::Short { missing: 5 })));
    }
    let (mut first, mut second) = (Gather::default(), Gather::default());
    // Two on one thread.
    let mut one = Compressing::new(&shared, &mut first, &progress);
    one.bytes(&data).unwrap();
    let mut other = Compressing::new(&shared, &mut second, &progress);
    other.bytes(&data).unwrap();
    assert_eq!(other.finish().unwrap(), one.finish().unwrap());
    assert!(decompressed(Codec::Gzip, &first.0) == data && first.0 == second.0);
}
