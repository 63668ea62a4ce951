//! The cost of layers' bytes: `cargo bench -p strake-image`. bench/README.md says how to read it.
//!
//! File data is in the page cache. A target that nobody reads from, /dev/null, is left out: it takes nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use strake_image::sink::{DescriptorSink, Digesting, Discard, Sink, Watch};
use strake_image::tar::{Member, Writer};
use strake_image::{Digest, Lanes};

const MIB: u64 = 1 << 20;

/// The bytes that go through a sink or a hash in one round.
const TOTAL: u64 = 64 * MIB;

fn main() {
    divan::main();
}

/// A file of this many bytes, none of them a hole.
fn file(length: u64) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let block: Vec<u8> = (0..MIB).map(|at| ((at * 31) >> 3) as u8).collect();
    for _ in 0..length.div_ceil(MIB) {
        file.write_all(&block).expect("there is room");
    }
    file
}

/// `TOTAL` bytes in files of these sizes: below 32 KiB they are gathered, from there on the kernel copies them.
const FILE_SIZES: [u64; 4] = [2 << 10, 31 << 10, 33 << 10, MIB];

fn send(sink: &mut dyn Sink, file: &File, size: u64) {
    for number in 0..TOTAL / size {
        sink.file(file.as_fd(), number * size, size).expect("the file is long enough");
    }
}

/// Into a pipe that is drained.
#[divan::bench(args = FILE_SIZES)]
fn sink_pipe(bencher: Bencher<'_, '_>, size: u64) {
    let source = file(TOTAL);
    bencher.counter(BytesCount::new(TOTAL)).bench_local(|| {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut buffer = vec![0; MIB as usize];
                while reader.read(&mut buffer).expect("the pipe can be read") > 0 {}
            });
            let progress = AtomicU64::new(0);
            let mut sink = DescriptorSink::new(OwnedFd::from(writer), &progress);
            send(&mut sink, &source, size);
            drop(sink.finish().expect("all of it goes out"));
        });
    });
}

/// Into a file.
#[divan::bench(args = FILE_SIZES)]
fn sink_file(bencher: Bencher<'_, '_>, size: u64) {
    let source = file(TOTAL);
    let target = || OwnedFd::from(tempfile::tempfile().expect("a temporary file"));
    bencher.counter(BytesCount::new(TOTAL)).with_inputs(target).bench_local_values(|target| {
        let progress = AtomicU64::new(0);
        let mut sink = DescriptorSink::new(target, &progress);
        send(&mut sink, &source, size);
        sink.finish().expect("all of it goes out")
    });
}

/// Headers of regular files, with names as a store has them, and of some that take extended headers.
#[divan::bench(args = [60, 120, 300])]
fn tar_members(bencher: Bencher<'_, '_>, name_length: usize) {
    const MEMBERS: usize = 10_000;
    let name = |number: usize| format!("./nix/store/{number:0width$}", width = name_length - 12).into_bytes();
    let members: Vec<Member> = (0..MEMBERS).map(|number| Member::file(name(number), 0, 1)).collect();
    bencher.counter(ItemsCount::new(MEMBERS)).bench_local(|| {
        let mut sink = Discard;
        let mut writer = Writer::new(&mut sink);
        for member in &members {
            writer.member(member).expect("nothing fails");
        }
        writer.finish().expect("nothing fails")
    });
}

/// Hashes this number of streams at once, a thread each.
fn hash(bencher: Bencher<'_, '_>, streams: u64, lanes: impl Fn() -> Lanes) {
    let source = file(TOTAL);
    bencher.counter(BytesCount::new(TOTAL)).bench_local(|| {
        let (lanes, progress, cancelled) = (lanes(), AtomicU64::new(0), AtomicBool::new(false));
        let watch = Watch { progress: &progress, cancelled: &cancelled, lanes: &lanes };
        let one = |number: u64| -> Digest {
            let mut sink = Digesting::new(watch);
            let part = TOTAL / streams;
            sink.file(source.as_fd(), number * part, part).expect("the file is long enough");
            sink.finish()
        };
        let one = &one;
        thread::scope(|scope| (0..streams).for_each(|number| drop(scope.spawn(move || one(number)))));
    });
}

/// With the best that the processor has.
#[divan::bench(args = [1, 2, 6, 12])]
fn sha256(bencher: Bencher<'_, '_>, streams: u64) {
    hash(bencher, streams, Lanes::default);
}

/// One stream at a time, by the `sha2` crate, as on other processors.
#[divan::bench(args = [1, 2, 6, 12])]
fn sha256_single(bencher: Bencher<'_, '_>, streams: u64) {
    hash(bencher, streams, Lanes::single);
}
