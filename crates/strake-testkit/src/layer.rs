//! Looks into layers, by way of Python's tarfile.

use std::io::Write;
use std::process::Stdio;

use crate::command::text;

/// One line for each member: name, type, mode, owner, time, content and extended attributes.
const LIST: &str = r"
import hashlib, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|') as archive:
    for member in archive:
        content = archive.extractfile(member).read() if member.isreg() else b''
        xattrs = {key: value.encode('utf-8', 'surrogateescape').hex() for key, value in member.pax_headers.items() if '.xattr.' in key}
        print(repr(member.name), chr(member.type[0]), oct(member.mode), member.uid, member.gid, repr(member.uname),
              repr(member.gname), int(member.mtime), repr(member.linkname), hashlib.sha256(content).hexdigest()[:16], xattrs)
";

/// Prints the layer of an image's archive that has this place in the manifest; -1 is the last.
const EXTRACT: &str = r"
import io, json, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
    manifest = json.load(archive.extractfile('manifest.json'))
    sys.stdout.buffer.write(archive.extractfile(manifest[0]['Layers'][int(sys.argv[1])]).read())
";

/// The members of a tar archive, a line each.
pub fn listing(archive: &[u8]) -> Vec<String> {
    text(&python(LIST, &[], archive)).lines().map(str::to_owned).collect()
}

/// A layer of a docker-archive, by its place; -1 is the last.
pub fn extract(archive: &[u8], place: i32) -> Vec<u8> {
    python(EXTRACT, &[&place.to_string()], archive)
}

/// Runs a program in Python with something on its stdin.
pub fn python(program: &str, arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    let mut python = std::process::Command::new("python3");
    python.arg("-c").arg(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("python3 can be started");
    let mut pipe = child.stdin.take().expect("a pipe was asked for");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(stdin));
        child.wait_with_output().expect("python3 ends")
    });
    assert!(output.status.success(), "{program}");
    output.stdout
}
