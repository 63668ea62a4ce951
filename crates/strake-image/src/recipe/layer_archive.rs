//! Whether a layer is a tar archive that those who unpack layers take.

use std::io::{self, BufRead};

use crate::etc_changes::EtcChanges;
use crate::tar::{Kind, Member, TarMember, TarReader, sparse_name};

/// How a zstd stream begins with a frame that is to be skipped, from its second byte on. Docker and containerd take such a layer
/// for a compressed one, skopeo and podman for a tar archive.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Reads a layer to its end, and fails unless it is an archive that Go's `archive/tar` reads, with members that Docker and
/// containerd unpack, its end, and nothing behind that.
///
/// `etc` gets what the members do to the files in which runtimes look users up.
///
/// No bytes at all are a layer without members: Docker, containerd, podman and umoci take it, as some old images have such.
pub(crate) fn check(mut layer: impl BufRead, etc: &mut EtcChanges) -> io::Result<()> {
    let start = layer.fill_buf()?;
    if start.is_empty() {
        return Ok(());
    }
    if start.get(1..4) == Some(&SKIPPABLE) && start[0] & 0xf0 == 0x50 {
        return Err(malformed("it begins as a zstd stream does"));
    }
    let mut archive = TarReader::buffered(layer);
    while let Some(TarMember { member, is_sparse, .. }) = archive.next_member()? {
        check_member(&member)?;
        etc.add(&member);
        if is_sparse {
            archive.check_sparse(&member)?;
        }
    }
    archive.end()?.map_or(Ok(()), |flaw| Err(malformed(flaw)))
}

fn check_member(member: &Member) -> io::Result<()> {
    if leads_out(&member.name) || sparse_name(&member.records).is_some_and(|name| leads_out(&name)) {
        return Err(malformed("a member's name leads out of it"));
    }
    match member.kind {
        Kind::HARD_LINK if leads_out(&member.linkname) => Err(malformed("a hard link leads out of it")),
        // Regular files, links, devices, directories and FIFOs.
        Kind(0 | b'0'..=b'6') => Ok(()),
        _ => Err(malformed("a member is neither file, link, directory, device nor FIFO")),
    }
}

/// Whether a path leads out of the directory that it is in.
fn leads_out(path: &[u8]) -> bool {
    let mut depth = 0_u32;
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
