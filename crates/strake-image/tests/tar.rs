//! Archive members are read and written again.

use strake_image::tar::append_header;
use strake_image::testing::{Access, ListedMember, members};
use strake_testkit::tar_bytes::{RawMember, archive};

/// The only member, and what is read once it is written again.
fn again(archive: &[u8]) -> [ListedMember; 2] {
    let first = members(archive, Access::File).unwrap().remove(0);
    let mut written = Vec::new();
    append_header(&first.member, &mut written);
    written.resize(written.len() + 1024, 0);
    [first, members(&written, Access::File).unwrap().remove(0)]
}

/// A name can be said three times, and an extended record without a value says nothing. Whatever counts is what is written.
#[test]
fn a_name_that_counts_is_written() {
    let gnu = |kind, text: &[u8]| RawMember::new(kind, "gnu", text);
    let file = || RawMember::new(b'2', "field", b"");
    let link = || RawMember { linkname: "to-field".to_owned(), ..file() };
    let pax = |records: &[(&str, &str)]| RawMember::extended(b'x', records);
    let long = "l".repeat(150);
    for (headers, name, target) in [
        (vec![], "field", "to-field"),
        (vec![pax(&[("path", "pax"), ("linkpath", "to-pax")])], "pax", "to-pax"),
        (vec![pax(&[("path", ""), ("linkpath", "")])], "field", "to-field"),
        (vec![gnu(b'L', b"gnu\0"), pax(&[("path", "pax"), ("linkpath", "to-pax")])], "gnu", "to-pax"),
        (vec![pax(&[("path", "pax"), ("linkpath", "to-pax")]), gnu(b'K', b"to-gnu\0")], "pax", "to-gnu"),
        (vec![gnu(b'L', long.as_bytes()), pax(&[("path", "pax")]), gnu(b'K', b"\0")], &long, "to-field"),
        (vec![gnu(b'L', b"\0"), pax(&[("path", "pax")])], "pax", "to-field"),
    ] {
        let all: Vec<RawMember> = headers.into_iter().chain([link()]).collect();
        for found in again(&archive(&all)) {
            let found =
                [found.member.name, found.member.linkname].map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found, [name, target], "{all:?}");
        }
    }
}
