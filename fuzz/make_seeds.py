#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets that are not written by hand: archives, compressed streams, a database, and documents that
name each other by digest. The same program writes the same bytes.

usage: fuzz/make_seeds.py
"""
import bz2, gzip, hashlib, io, json, lzma, pathlib, sqlite3, subprocess, tarfile, tempfile

ROOT = pathlib.Path(__file__).parent / "seeds"
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."


def put(target, name, content):
    path = ROOT / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def described(media_type, content, **more):
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


# Archives.

def member(archive, name, content=b"", kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), 1
    for key, value in more.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def tar(form, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for arguments in members:
            member(archive, *arguments[:-1], **arguments[-1])
    # Python fills up 10 KiB; two blocks end an archive.
    archive = out.getvalue()
    end = len(archive)
    while end >= 512 and archive[end - 512:end] == bytes(512):
        end -= 512
    return archive[:end] + bytes(1024)


def header(name, kind, size=0, magic=b"ustar\x0000", link=b"", more=()):
    block = bytearray(512)
    block[0:len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"00000000001\0"
    block[156:157] = kind
    block[157:157 + len(link)] = link
    block[257:265] = magic
    for place, text in more:
        block[place:place + len(text)] = text
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + bytes(-len(content) % 512)


def records(*pairs):
    text = b""
    for keyword, value in pairs:
        rest = len(keyword) + len(value) + 3
        length = rest
        while length != rest + len(str(length)):
            length = rest + len(str(length))
        text += b"%d %s=%s\n" % (length, keyword, value)
    return text


def extended(kind, text):
    return header(b"extended", kind, len(text)) + padded(text)


END = bytes(1024)
LAYER = tar(tarfile.PAX_FORMAT, [
    ("etc", b"", tarfile.DIRTYPE, dict(mode=0o755)),
    ("etc/passwd", b"root:x:0:0::/root:/bin/sh\n", dict(uname="root", gname="root")),
    ("etc/.wh.shadow", b"", {}),
    ("link", b"", tarfile.SYMTYPE, dict(linkname="etc/passwd")),
    ("hard", b"", tarfile.LNKTYPE, dict(linkname="etc/passwd")),
    ("grüße/" + "n" * 120, b"x" * 700, dict(mtime=1.5, pax_headers={"SCHILY.xattr.user.a": "b"})),
])
LAYERS = {
    "pax": LAYER,
    "gnu": tar(tarfile.GNU_FORMAT, [
        ("n" * 150, b"content", dict(uid=2**30, mode=0o4755)),
        ("short", b"", tarfile.SYMTYPE, dict(linkname="l" * 150)),
        ("pipe", b"", tarfile.FIFOTYPE, {}),
        ("device", b"", tarfile.CHRTYPE, dict(devmajor=1, devminor=3)),
    ]),
    "ustar": tar(tarfile.USTAR_FORMAT, [("d/" * 60 + "file", b"1" * 512, {}), ("x", b"", {})]),
    "v7": header(b"old/", b"\0", magic=bytes(8)) + header(b"file", b"\0", 1, magic=bytes(8)) + padded(b"x") + END,
    "star": header(b"file", b"0", more=[(345, b"above"), (476, b"00000000001 00000000002 "), (508, b"tar\0")]) + END,
    "global": extended(b"g", records((b"comment", b"x"), (b"mtime", b"7"))) + header(b"f", b"0") + END,
    "size-of-a-link": extended(b"x", records((b"size", b"512"))) + header(b"l", b"2", 512, link=b"t") + END,
    "names-of-two-kinds": extended(b"L", b"gnu\0") + extended(b"x", records((b"path", b"pax"), (b"uname", b""))) + header(b"f", b"0") + END,
    "base-256": header(b"f", b"0", more=[(124, b"\x80" + bytes(10) + b"\x03"), (108, b"\xff" * 8)]) + padded(b"abc") + END,
    "sparse-0.1": extended(b"x", records((b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1"), (b"GNU.sparse.name", b"s"),
        (b"GNU.sparse.size", b"1000"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"10,3"))) + header(b"f", b"0", 3) + padded(b"abc") + END,
    "sparse-1.0": extended(b"x", records((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"1000")))
        + header(b"f", b"0", 515) + padded(b"1\n10\n3\n") + padded(b"abc") + END,
    "sparse-gnu": header(b"f", b"S", 3, magic=b"ustar  \0", more=[(386, b"00000000012\x0000000000003\0"), (483, b"00000001000\0")]) + padded(b"abc") + END,
    "empty": b"",
    "cut": LAYER[:1300],
}
for name, layer in LAYERS.items():
    put("layer", name, layer)


def config(layers, **more):
    return {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"], "Cmd": ["sh"]}, **more,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "x"} for _ in layers]}


def docker_archive(layers, name="{}/layer.tar", more=()):
    plain = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in layers]
    names = [name.format(number) for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    members = [(name, layer, {}) for name, layer in zip(names, layers)]
    return tar(tarfile.GNU_FORMAT, [*members, *more, ("config.json", compact(config(plain)), {}), ("manifest.json", compact(manifest), {})])


SMALL = LAYERS["v7"]
put("archive", "one-layer", docker_archive([SMALL]))
put("archive", "long-names", docker_archive([SMALL], "long/" * 30 + "{}.tar"))
put("archive", "gzip-layers", docker_archive([gzip.compress(SMALL, mtime=0), LAYERS["base-256"]]))
put("archive", "compressed", gzip.compress(docker_archive([SMALL, LAYERS["base-256"]]), mtime=0))
put("archive", "other-members", docker_archive([SMALL], more=[("0/VERSION", b"1.0", {}), ("./x", b"", tarfile.SYMTYPE, dict(linkname="0/layer.tar"))]))

# Documents.

def images():
    first = compact({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(b"")]}})
    known = compact({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": described(OCI + "config.v1+json", first),
        "layers": [described(OCI + "layer.v1.tar", bytes(1024))]})
    empty = compact({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": []})
    index = compact({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [described(OCI + "manifest.v1+json", known)]})
    return known, empty, index


known, empty, index = images()
amd64 = {"architecture": "amd64", "os": "linux"}
unknown = {"architecture": "unknown", "os": "unknown"}
about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(known)}
for name, entries in {
    "one": [described(OCI + "manifest.v1+json", known, platform=amd64)],
    "nested": [described(OCI + "index.v1+json", index, annotations={"org.opencontainers.image.ref.name": "a:1"}), described(OCI + "index.v1+json", empty)],
    "attested": [described(OCI + "manifest.v1+json", known, platform={**amd64, "variant": "v1", "os.version": "1", "os.features": ["a"]}),
                 described("text/plain", b"x", annotations=about)],
    "docker": [described(DOCKER + "distribution.manifest.v2+json", known, platform=unknown)],
}.items():
    of_type = DOCKER + "distribution.manifest.list.v2+json" if name == "docker" else OCI + "index.v1+json"
    put("index", name, compact({"schemaVersion": 2, "mediaType": of_type, "manifests": entries, "annotations": {"k": "v"}, "x": [1.5, None, True]}))

for name, (of_manifest, of_config, of_layers) in {
    "oci": (OCI + "manifest.v1+json", OCI + "config.v1+json", [OCI + "layer.v1.tar+gzip", OCI + "layer.v1.tar+zstd"]),
    "docker": (DOCKER + "distribution.manifest.v2+json", DOCKER + "container.image.v1+json", [DOCKER + "image.rootfs.diff.tar.gzip"]),
    "foreign": (OCI + "manifest.v1+json", OCI + "config.v1+json", [OCI + "layer.nondistributable.v1.tar"]),
    "artifact": (OCI + "manifest.v1+json", OCI + "empty.v1+json", ["application/vnd.in-toto+json"]),
}.items():
    layers = [described(of_layer, of_layer.encode(), annotations={"a": "b"}) for of_layer in of_layers]
    text = {"schemaVersion": 2, "mediaType": of_manifest, "config": described(of_config, b"{}", data="e30="), "layers": layers,
            "subject": described(of_manifest, known), "annotations": {"k": "v"}}
    put("manifest", name, compact(text))

full = config([SMALL], **{"os.version": "1", "os.features": ["a"], "variant": "v8", "created": "2024-02-29T12:34:56.789+01:00", "author": "x",
    "container_config": {}, "docker_version": "1", "x-unknown": {"a": [1, 2.5e3, None]}})
full["config"] |= {"Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}}, "Labels": {"k": "v"}, "Healthcheck": {"Test": ["NONE"], "Interval": 1},
    "ArgsEscaped": True, "OnBuild": None, "StopTimeout": 1}
put("config", "full", compact(full))
put("config", "small", compact({"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": None}, "config": None}))
put("json", "config", compact(full))
put("json", "layout", b'{"imageLayoutVersion":"1.0.0"}')
put("json", "archive", compact([{"Config": "c", "RepoTags": ["a:1"], "Layers": ["l"], "Parent": "", "LayerSources": {digest(b""): described("a/b", b"")}}]))
put("json", "numbers", b'{"a":[0,-0,1e5,1.25E-3,18446744073709551616,9007199254740993],"A":"\\ud83d\\ude00\\u0041\\/"}')


def layout(layers, compressed):
    members, listed = [], []
    for number in range(2):
        text = compact(config(layers))
        blobs = [gzip.compress(layer, mtime=0) if compressed else layer for layer in layers]
        of_layer = OCI + "layer.v1.tar" + ("+gzip" if compressed else "")
        manifest = compact({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": described(OCI + "config.v1+json", text),
            "layers": [described(of_layer, blob) for blob in blobs], "annotations": {"number": str(number)}})
        listed.append(described(OCI + "manifest.v1+json", manifest, platform={"architecture": ["amd64", "amd64"][number], "os": "linux"}))
        members += [(f"blobs/sha256/{digest(blob)[7:]}", blob, {}) for blob in [text, manifest, *blobs]]
    members = list({name: (name, content, more) for name, content, more in members}.values())
    index = compact({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": listed[:1]})
    return tar(tarfile.USTAR_FORMAT, [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}', {}), ("index.json", index, {}), *members])


put("layout", "plain", layout([SMALL], False))
put("layout", "gzip-layers", layout([SMALL], True))
put("layout", "compressed", gzip.compress(layout([SMALL], False), mtime=0))

# Streams.
TEXT = b"What is in the layer, what is in the layer, and what is not in it. " * 3
zstd = lambda *more: subprocess.run(["zstd", "-c", *more], input=TEXT, stdout=subprocess.PIPE, check=True).stdout
for name, stream in {
    "gzip": gzip.compress(TEXT, mtime=0), "gzip-twice": gzip.compress(TEXT, mtime=0) + gzip.compress(b"x", mtime=0),
    "gzip-stored": gzip.compress(TEXT, 0, mtime=0), "bzip2": bz2.compress(TEXT), "xz": lzma.compress(TEXT),
    "xz-padded": lzma.compress(TEXT) + bytes(4) + lzma.compress(b"x"), "zstd": zstd("-3"), "zstd-19": zstd("-19", "--no-check"),
    "zstd-skipped": b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + zstd("--fast"), "bzip2-empty": bz2.compress(b""),
}.items():
    put("decoders", name, stream)

# A database, as small as one can be.
with tempfile.TemporaryDirectory() as place:
    path = pathlib.Path(place) / "db.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("""
        pragma page_size = 512; vacuum;
        create table ValidPaths (id integer primary key autoincrement not null, path text unique not null, hash text not null,
            registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text);
        create table Refs (referrer integer not null, reference integer not null, primary key (referrer, reference));
    """)
    for number, name in enumerate(["a", "b", "c"]):
        path_name = f"/nix/store/{'0' * 31}{number}-{name}"
        connection.execute("insert into ValidPaths values (?, ?, ?, 1, null, ?, 1, null, null)", (number + 1, path_name, digest(name.encode()), number * 100))
    connection.executemany("insert into Refs values (?, ?)", [(1, 1), (1, 2), (2, 3)])
    connection.commit()
    connection.execute("vacuum")
    connection.close()
    put("database", "three", path.read_bytes())

# Entries of layers: the bytes decide which.
for number in range(24):
    state, content = number + 1, bytearray()
    for _ in range(160):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        content.append(state >> 56)
    put("file_system", f"{number:02}", bytes(content))
