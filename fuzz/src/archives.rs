//! Tar archives: layers, docker-archives, layouts in archives.

use std::path::Path;

use strake_image::layout::{Layout, LayoutPick};
use strake_image::manifest::Opened;
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::tar::{Kind, Member, append_header, block_padding};
use strake_image::testing::{Access, layer as check_layer, members};
use strake_image::verify::{verify, verify_index};
use strake_image::{Platform, PlatformPick, archive as docker_archive};

use super::memory::{context, file, said};

/// A layer: however it is read, its members are the same; what is written of them is read as them again.
pub fn layer(data: &[u8]) {
    let [stream, buffer, in_file] =
        [Access::Stream, Access::Buffer, Access::File].map(|access| members(data, access));
    let is_right = check_layer(data).is_ok();
    let Ok(stream) = stream else {
        assert!(!is_right, "it is a layer, and cannot be listed");
        assert!(buffer.is_err(), "only some can list it");
        return;
    };
    assert_eq!(stream, buffer.expect("only a stream can be listed"));
    assert_eq!(stream, in_file.expect("only a stream can be listed"));
    for found in &stream {
        let end = found.position.checked_add(found.member.size).expect("it ends");
        assert!(!is_right || end <= data.len() as u64, "{found:?} is longer than the archive");
    }
    let plain: Vec<Member> =
        stream.into_iter().filter(|found| !found.is_sparse).map(|it| it.member).collect();
    let mut again = Vec::new();
    for member in &plain {
        append_header(member, &mut again);
        if matches!(member.kind.0, b'1'..=b'6') {
            continue;
        }
        // Only what is short stands in an input.
        if member.size > data.len() as u64 {
            return;
        }
        again.resize(again.len() + (member.size + block_padding(member.size)) as usize, 0);
    }
    again.resize(again.len() + 1024, 0);
    let read = match members(&again, Access::Buffer) {
        Ok(read) => read,
        // One that went on to the last byte of what a header can hold has no room for the records that are added.
        Err(error) if error.to_string().contains("more than 256") => return,
        Err(error) => panic!("{error}: {plain:?}"),
    };
    assert_eq!(read.len(), plain.len());
    for (old, new) in plain.iter().zip(read) {
        assert_eq!(essence(old), essence(&new.member), "{old:?}");
    }
}

/// The parts of a member that are kept in every format.
fn essence(member: &Member) -> impl PartialEq + std::fmt::Debug {
    let Member { name, kind, mode, uid, gid, size, mtime, linkname, uname, gname, .. } = member.clone();
    // A file of old is one of today once it has been written.
    let kind = if kind.is_file() && kind.0 == 0 { Kind::FILE } else { kind };
    (name, kind.0, mode & 0o7777, (uid, gid, size, mtime), linkname, uname, gname)
}

/// A docker-archive, which is opened and verified.
pub fn archive(data: &[u8]) {
    let (_file, path) = file(data);
    check_image(docker_archive::open(&path, Path::new("/tmp")));
}

fn check_image(opened: Result<ParsedImage, OpenError>) {
    let image = match opened {
        Ok(image) => image,
        Err(error) => return drop(said(&error)),
    };
    assert_eq!(image.layers.len(), image.config.diff_ids.len());
    drop(verify(image, &context()).iter().map(ToString::to_string).collect::<Vec<_>>());
}

/// An OCI layout in an archive, with all that it lists.
pub fn layout(data: &[u8]) {
    let (_file, path) = file(data);
    let pick = LayoutPick { name: None, platform: PlatformPick::Preferred(Platform::linux("amd64")) };
    let layout = match Layout::archive(&path, Path::new("/tmp")) {
        Ok(layout) => layout,
        Err(error) => return drop(said(&error)),
    };
    match layout.all(&pick) {
        Ok(Opened::Image(image)) => check_image(Ok(*image)),
        Ok(Opened::Index(index)) => {
            drop(verify_index(*index, &context()).iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Err(error) => drop(said(&error)),
    }
    check_image(layout.image(&pick));
}

/// Makes the checksums of what may be headers right, so that changes get further than to the first one.
pub fn mend_checksums(archive: &mut [u8]) {
    let mut position = 0;
    while let Some(block) = archive.get_mut(position..position + 512) {
        position += 512;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let old: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
        let sum = sum - old + 8 * u32::from(b' ');
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = block[124..136].iter().take_while(|byte| byte.is_ascii_digit());
        let size = digits
            .fold(0_usize, |size, digit| size.saturating_mul(8).saturating_add(usize::from(digit - b'0')));
        if !matches!(block[156], b'1'..=b'6') {
            position = position.saturating_add(size.saturating_add(511) / 512 * 512);
        }
    }
}
