use std::fs;
use std::path::Path;

use strake_testkit::command::{stdout_of, text};
use strake_testkit::layer::{listing, python};
use strake_testkit::peer::{Dockerd, with_stdin};

use crate::copy::{strake, strake_ok};

/// Writes a docker-archive whose layers are lists of entries: name, kind, and what that kind needs. Some layers are
/// compressed.
const ARCHIVE: &str = r"
import gzip, hashlib, io, json, random, sys, tarfile

def entry(archive, name, kind, value=b'', mode=0o644, uid=0, mtime=1, pax=None):
    member = tarfile.TarInfo(name)
    member.mode, member.uid, member.gid, member.mtime = mode, uid, uid, mtime
    member.pax_headers = pax or {}
    member.type = {'file': tarfile.REGTYPE, 'dir': tarfile.DIRTYPE, 'sym': tarfile.SYMTYPE, 'link': tarfile.LNKTYPE,
                   'fifo': tarfile.FIFOTYPE, 'device': tarfile.CHRTYPE}[kind]
    if kind in ('sym', 'link'):
        member.linkname = value
    content = value if kind == 'file' else b''
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))

def write(path, layers):
    blobs, diff_ids = [], []
    for number, entries in enumerate(layers):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as archive:
            for one in entries:
                entry(archive, *one[:2], **one[2])
        plain = out.getvalue()
        diff_ids.append('sha256:' + hashlib.sha256(plain).hexdigest())
        blobs.append(gzip.compress(plain) if number % 2 else plain)
    config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {'Cmd': ['/x']},
                         'rootfs': {'type': 'layers', 'diff_ids': diff_ids}}).encode()
    with tarfile.open(path, 'w') as archive:
        for number, blob in enumerate(blobs):
            entry(archive, f'{number}/layer.tar', 'file', blob)
        entry(archive, 'config.json', 'file', config)
        manifest = [{'Config': 'config.json', 'RepoTags': [sys.argv[1]],
                     'Layers': [f'{number}/layer.tar' for number in range(len(blobs))]}]
        entry(archive, 'manifest.json', 'file', json.dumps(manifest).encode())

def file(name, text, **more): return (name, 'file', dict(value=text.encode(), **more))
def directory(name, **more): return (name, 'dir', dict(mode=more.pop('mode', 0o755), **more))
def symlink(name, to, **more): return (name, 'sym', dict(value=to, mode=0o777, **more))
def link(name, to, **more): return (name, 'link', dict(value=to, **more))
";

/// Cases that are hard to get right, one on the other.
const BY_HAND: &str = r"
write(sys.argv[2], [
    [directory('./a', mode=0o700), file('./a/kept', '1'), file('a/gone', '1'), file('a/replaced', '1', uid=7),
     directory('emptied'), file('emptied/old', '1'), directory('emptied/deep'), file('emptied/deep/old', '1'),
     directory('dir-to-file'), file('dir-to-file/inside', '1'), file('file-to-dir', '1'),
     file('target', 'linked'), link('link1', 'target'), link('link2', './target'),
     file('lower', 'below'), symlink('sym', 'a/kept'), directory('gone-dir'), file('gone-dir/x', '1'),
     file('n' * 120 + '/' + 'm' * 120, 'long'), file('grüße', 'utf-8', mtime=123456), ('pipe', 'fifo', {}),
     file('su', 's', mode=0o4755), directory('tmp', mode=0o1777), file('again', 'was here'), file('implied', '1')],
    [directory('a', mode=0o711, uid=5, mtime=99), file('a/.wh.gone', ''), file('a/replaced', 'two'),
     file('emptied/.wh..wh..opq', ''), file('emptied/new', '2'),
     file('dir-to-file', 'now a file'), file('.wh.file-to-dir', ''), directory('file-to-dir'), file('file-to-dir/x', '2'),
     file('.wh.target', ''), file('.wh.gone-dir', ''), file('.wh.again', '')],
    [file('again', 'is here again'), file('implied/x', '3'), file('late/without/parents', '3')],
])
";

/// Random layers over few names, so that they meet often.
const RANDOM: &str = r"
dice = random.Random(int(sys.argv[3]))
names = ['a', 'b', 'a/a', 'a/b', 'a/a/a', 'b/a', 'b/b']
layers = []
for number in range(4):
    seen, entries = {}, []
    for name in sorted(dice.sample(names, dice.randint(1, 6))):
        parent = name.rpartition('/')[0]
        if parent and seen.get(parent, 'dir') != 'dir':
            continue
        parts = name.split('/')
        if any(seen.get('/'.join(parts[:end])) in ('file', 'gone', 'link', 'sym') for end in range(1, len(parts))):
            continue
        # Runtimes differ in what a directory is like that is in a layer only by what is in it.
        for end in range(1, len(parts)):
            above = '/'.join(parts[:end])
            if above not in seen:
                seen[above] = 'dir'
                entries.append(directory(above, uid=number))
        kind = dice.choice(['dir', 'dir', 'file', 'file', 'link', 'gone', 'opaque', 'sym'])
        here = [known for known, what in seen.items() if what == 'file']
        mode, uid = dice.choice([0o755, 0o700, 0o711]), dice.randint(0, 3)
        if kind == 'link' and not here:
            kind = 'file'
        if kind == 'gone' and number == 0:
            kind = 'dir'
        if kind == 'dir':
            entries.append(directory(name, mode=mode, uid=uid))
        elif kind == 'opaque':
            kind = 'dir'
            entries += [directory(name, mode=mode, uid=uid), file(name + '/.wh..wh..opq', '')]
        elif kind == 'file':
            entries.append(file(name, f'{number} {name}', mode=mode, uid=uid))
        elif kind == 'sym':
            entries.append(symlink(name, f'{number}'))
        elif kind == 'link':
            target = dice.choice(here)
            like = next(entry[2] for entry in entries if entry[0] == target)
            entries.append(link(name, target, mode=like['mode'], uid=like['uid']))
        else:
            entries.append(file(f'{parent}/.wh.{parts[-1]}' if parent else f'.wh.{parts[-1]}', ''))
        seen[name] = kind
    layers.append(entries)
write(sys.argv[2], layers)
";

/// What an archive holds, but for what Docker makes in every container: a line for each member with its content, hard
/// links with that of their target.
const CONTENT: &str = r"
import hashlib, sys, tarfile
made = ('.dockerenv', 'dev', 'etc', 'proc', 'sys')
lines = []
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        name = member.name.removeprefix('./').strip('/')
        if name in ('', '.') or name.split('/')[0] in made:
            continue
        owner = archive.getmember(member.linkname) if member.islnk() else member
        content = archive.extractfile(owner).read() if owner.isreg() else b''
        kind = '0' if member.islnk() else chr(member.type[0])
        link = member.linkname if member.issym() else ''
        mode = '' if member.issym() else oct(owner.mode & 0o7777)
        # Directories that are only implied are made when Docker unpacks them.
        mtime = '' if member.isdir() else int(owner.mtime)
        lines.append(f'{name} {kind} {mode} {owner.uid}:{owner.gid} {mtime} {link} {hashlib.sha256(content).hexdigest()[:12]}')
print('\n'.join(sorted(lines)))
";

fn content(archive: &Path) -> String {
    text(&python(CONTENT, &[archive.to_str().unwrap()], b""))
}

/// Docker's view of an archive's image, and ours.
fn compare(docker: &Dockerd, place: &Path, name: &str) {
    let archive = place.join("image.tar");
    with_stdin(docker.docker(["load"]), &archive);
    let container = text(&stdout_of(docker.docker(["create", name])));
    let theirs = place.join("theirs.tar");
    stdout_of(docker.docker(["export", "-o", theirs.to_str().unwrap(), container.trim()]));
    strake_ok(place, &["export", "docker-archive:image.tar", "-o", "ours.tar"]);
    assert_eq!(content(&place.join("ours.tar")), content(&theirs), "{name}");
}

#[test]
#[ignore = "needs root, dockerd"]
fn as_docker_export_has_it() {
    let docker = Dockerd::start();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("image.tar");
    let write = |program: &str, name: &str, seed: &str| {
        python(&[ARCHIVE, program].concat(), &[name, archive.to_str().unwrap(), seed], b"");
    };
    write(BY_HAND, "by-hand:1", "");
    compare(&docker, place.path(), "by-hand:1");
    let found = content(&place.path().join("ours.tar"));
    for line in ["link1 0 ", "again 0 ", "su 0 0o4755", "a/kept 0 "] {
        assert!(found.lines().any(|found| found.starts_with(line)), "{line} is not in {found}");
    }
    for seed in 0..12 {
        let name = format!("random:{seed}");
        write(RANDOM, &name, &seed.to_string());
        compare(&docker, place.path(), &name);
    }
}

#[test]
fn directories_come_before_what_is_in_them() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    python(&[ARCHIVE, BY_HAND].concat(), &["x:1", place.join("image.tar").to_str().unwrap()], b"");
    let once = || {
        strake_ok(place, &["export", "docker-archive:image.tar", "-o", "flat.tar", "--no-cache"]);
        fs::read(place.join("flat.tar")).unwrap()
    };
    let flat = once();
    assert!(flat == once());
    let lines = listing(&flat);
    let place_of = |name: &str| {
        let quoted = format!("'{name}'");
        lines
            .iter()
            .position(|line| line.starts_with(&quoted))
            .unwrap_or_else(|| panic!("{name}: {lines:#?}"))
    };
    assert!(place_of("./a") < place_of("./a/kept") && place_of("./a") < place_of("./a/replaced"));
    assert_eq!(lines.len(), lines.iter().collect::<std::collections::BTreeSet<_>>().len());
    // From a layout, where layers are compressed, it is the same.
    strake_ok(place, &["copy", "docker-archive:image.tar", "oci:layout", "--compress", "zstd"]);
    let ours = strake(place, &["export", "oci:layout"]);
    assert!(ours.stdout == flat);
}

#[test]
fn what_cannot_be_exported() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    for (layers, words) in [
        ("[[('null', 'device', {})]]", &["null is a device"][..]),
        ("[[file('../x', '')]]", &["leads out of the image"]),
        ("[[file('x', ''), link('y', '../../etc/passwd')]]", &["leads out of the image"]),
    ] {
        let program = format!("{ARCHIVE}\nwrite(sys.argv[2], {layers})");
        python(&program, &["x:1", place.join("image.tar").to_str().unwrap()], b"");
        strake(place, &["export", "docker-archive:image.tar", "-o", "flat.tar"]).failed(words);
        assert!(!place.join("flat.tar").exists());
    }
    // A layer that is no archive at all.
    let garbage = "\nwrite(sys.argv[2], [[file('x', 'x' * 5000)]])";
    python(&[ARCHIVE, garbage].concat(), &["x:1", place.join("image.tar").to_str().unwrap()], b"");
    let mut archive = fs::read(place.join("image.tar")).unwrap();
    archive[600] ^= 1;
    fs::write(place.join("image.tar"), archive).unwrap();
    strake(place, &["export", "docker-archive:image.tar", "-o", "flat.tar"]).failed(&["has the diff id"]);
}

#[test]
fn several_images_in_an_archive() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let write = |name: &str, file: &str, layers: &str| {
        let program = format!("{ARCHIVE}\nwrite(sys.argv[2], {layers})");
        python(&program, &[name, place.join(file).to_str().unwrap()], b"");
    };
    // Under the same names there are other layers.
    write("one:1", "one.tar", "[[file('x', 'shared')], [file('y', 'one')]]");
    write("two:1", "two.tar", "[[file('x', 'shared')], [file('y', 'two')]]");
    strake_ok(
        place,
        &[
            "merge",
            "docker-archive:one.tar",
            "docker-archive:two.tar",
            "docker-archive:one.tar",
            "-o",
            "both.tar",
        ],
    );
    let id = |source: &str| crate::copy::identity(place, source).0;
    assert_eq!(id("docker-archive:one.tar"), id("docker-archive:both.tar:one:1"));
    assert_eq!(id("docker-archive:two.tar"), id("docker-archive:both.tar:two:1"));
    let names = crate::nix_library::listing(&place.join("both.tar"), &[]);
    assert_eq!(names.lines().filter(|name| name.ends_with("layer.tar")).count(), 3, "{names}");
    let merged = fs::read(place.join("both.tar")).unwrap();
    let ran = strake(
        place,
        &["merge", "docker-archive:one.tar", "docker-archive:two.tar", "docker-archive:one.tar"],
    );
    assert!(ran.stdout == merged);
    strake(place, &["merge", "docker-archive:one.tar", "docker-archive:none.tar", "-o", "x.tar"])
        .failed(&["none.tar"]);
    assert!(!place.join("x.tar").exists());
}
