//! Windows on streams that can only be written whole.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use strake_image::Error;
use strake_image::sink::{Sink, SinkError, Window};

use crate::fixture::{Fixture, Gather, boundaries, read_by_this_thread};

fn layer() -> Fixture {
    Fixture::of(1, |_, path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("a"), [1; 700]).unwrap();
        fs::write(path.join("b"), vec![2; 33_000]).unwrap();
        fs::write(path.join("c"), [3; 10]).unwrap();
    })
}

#[test]
fn passes_on_the_range() {
    let layer = layer();
    let whole = layer.whole();
    let offsets: Vec<u64> = boundaries(&whole, &[700]).into_iter().step_by(5).collect();
    for (index, start) in offsets.iter().enumerate() {
        for end in &offsets[index..] {
            let mut out = Gather::default();
            Window::write(&mut out, *start..*end, |sink| layer.recipe.write(None, sink)).unwrap();
            assert!(out.0 == whole[*start as usize..*end as usize], "{start}..{end}");
        }
    }
}

#[test]
fn nothing_behind_the_range_is_read() {
    let layer = layer();
    fs::write(layer.file(0, "/z"), vec![4; 10_000_000]).unwrap();
    let mut out = Gather::default();
    let read = read_by_this_thread(|| {
        Window::write(&mut out, 2000..3000, |sink| layer.recipe.write(None, sink)).unwrap();
    });
    assert!(out.0.len() == 1000 && read < 5000, "{read}");
}

/// Takes nothing.
struct Full;

impl Sink for Full {
    fn bytes(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Write(io::ErrorKind::StorageFull.into()))
    }

    fn file(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Result<(), SinkError> {
        self.bytes(&[])
    }
}

#[test]
fn errors_are_the_callers() {
    let layer = layer();
    let written = Window::write(&mut Full, 5000..6000, |sink| layer.recipe.write(None, sink));
    assert!(matches!(written, Err(Error::Write(_))), "{written:?}");
    // A file that is not as it was, at the end of the range.
    fs::write(layer.file(0, "/c"), "something else").unwrap();
    let end = layer.survey.size - 100;
    let written =
        Window::write(&mut Gather::default(), 0..end, |sink| layer.recipe.write(Some(&layer.survey), sink));
    assert!(matches!(written, Err(Error::Changed { .. })), "{written:?}");
}
