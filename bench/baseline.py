#!/usr/bin/env python3
"""Stream a docker-archive the way nixpkgs' dockerTools does: the performance baseline and test oracle.

usage: baseline.py CONF [-t REPO_TAG] [--store-root DIR] > image.tar

Reads the same conf.json as dockerTools' stream_layered_image.py and writes the same bytes with the same amount of
work: CPython's `tarfile`, every store layer made twice (once to learn its digest and size, once to stream it through
a pipe), one thread of real work. Nothing is made faster or slower than it is there, so that timings are honest.

With --store-root the logical store paths of the conf lie below DIR on this machine, as those of a Nix store at
`local?root=DIR` do; names in the image stay logical. The real script has no such option: without it the cost per
file is exactly the same, with it one string operation per file is added.

Standard library only; CPython 3.11 or newer, in a UTF-8 locale, as the bytes of the image depend on both.
"""
import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
import threading
from collections import namedtuple
from datetime import datetime, timezone
from pathlib import Path

Owner = namedtuple("Owner", "mtime uid gid uname gname")
LayerInfo = namedtuple("LayerInfo", "checksum name paths")
Base = namedtuple("Base", "archive manifest config")


class HashSink:
    """A writable that keeps only the SHA-256 and the length of what it is given."""

    def __init__(self):
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.digest.update(data)
        self.size += len(data)
        return len(data)


class Store:
    """Where logical store paths lie on this machine."""

    def __init__(self, root):
        self.root = root.rstrip("/")

    def real(self, logical):
        return self.root + logical

    def logical(self, real):
        return real[len(self.root):]


def iso_time(text):
    return datetime.now(tz=timezone.utc) if text == "now" else datetime.fromisoformat(text)


def add_directory(tar, path, owner):
    entry = tarfile.TarInfo(path)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    tar.addfile(apply_owner(entry, owner))


def apply_owner(entry, owner):
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = owner
    return entry


def write_layer(paths, out, owner, store_dir, store):
    """Write the layer tar that holds the store paths `paths` to `out`."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for parent in [*reversed(Path(store_dir).parents), Path(store_dir)]:
            if str(parent) != "/":
                add_directory(tar, str(parent), owner)
        for path in paths:
            top = Path(store.real(path))
            below = [] if top.is_symlink() else sorted(top.rglob("*"))
            for file in [top, *below]:
                entry = apply_owner(tar.gettarinfo(file), owner)
                entry.name = store.logical(str(file))
                if entry.islnk():  # a hard link to a file seen before: written as a file of its own
                    entry.type = tarfile.REGTYPE
                    entry.linkname = ""
                    entry.size = file.stat().st_size
                if entry.isfile():
                    with open(file, "rb") as content:
                        tar.addfile(entry, content)
                else:
                    tar.addfile(entry)


def add_store_layer(archive, paths, owner, store_dir, store):
    """Append `<digest>/layer.tar`: make the layer to learn digest and size, then again to stream it."""
    sink = HashSink()
    write_layer(paths, sink, owner, store_dir, store)
    digest = sink.digest.hexdigest()

    entry = tarfile.TarInfo(f"{digest}/layer.tar")
    entry.size = sink.size
    entry.mtime = owner.mtime

    read_fd, write_fd = os.pipe()
    with open(read_fd, "rb") as read_end:
        def produce():
            with open(write_fd, "wb") as write_end:
                write_layer(paths, write_end, owner, store_dir, store)

        producer = threading.Thread(target=produce)
        producer.start()
        archive.addfile(entry, read_end)
        producer.join()
    return LayerInfo(digest, entry.name, paths)


def add_customisation_layer(archive, path, mtime, store):
    """Append the layer of a directory that holds `layer.tar` and its `checksum`."""
    directory = Path(store.real(path))
    digest = (directory / "checksum").read_text().strip()
    layer = directory / "layer.tar"
    entry = archive.gettarinfo(layer)
    entry.name = f"{digest}/layer.tar"
    entry.mtime = mtime
    with open(layer, "rb") as content:
        archive.addfile(entry, content)
    return LayerInfo(digest, entry.name, [path])


def add_bytes(archive, name, data, mtime):
    entry = tarfile.TarInfo(name)
    entry.mtime = mtime
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def open_base(path):
    archive = tarfile.open(path)
    manifest = json.load(archive.extractfile("manifest.json"))[0]
    return Base(archive, manifest, json.load(archive.extractfile(manifest["Config"])))


def add_base_layers(archive, base):
    """Append the base image's layers under the names and with the headers they have there."""
    layers = []
    for name, diff_id in zip(base.manifest["Layers"], base.config["rootfs"]["diff_ids"]):
        entry = base.archive.getmember(name)
        archive.addfile(entry, base.archive.extractfile(entry))
        layers.append(LayerInfo(diff_id.removeprefix("sha256:"), name, [name]))
    return layers


def merge_env(base, config):
    """Put the base image's environment in front; the last definition of a variable wins, in the first one's place."""
    inherited = base.config.get("config", {}).get("Env", []) if base else []
    if not inherited:
        return config
    merged = {}
    for definition in [*inherited, *config.get("Env", [])]:
        merged[definition.split("=", 1)[0]] = definition
    return {**config, "Env": list(merged.values())}


def main():
    parser = argparse.ArgumentParser(description="Stream a docker-archive as nixpkgs' dockerTools does.")
    parser.add_argument("conf")
    parser.add_argument("-t", "--repo-tag")
    parser.add_argument("--store-root", default="", metavar="DIR")
    args = parser.parse_args()
    with open(args.conf) as file:
        conf = json.load(file)

    store = Store(args.store_root)
    created = iso_time(conf["created"]).isoformat()
    mtime = int(iso_time(conf["mtime"]).timestamp())
    owner = Owner(mtime, int(conf["uid"]), int(conf["gid"]), conf["uname"], conf["gname"])
    base = open_base(store.real(conf["from_image"])) if conf["from_image"] else None

    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        layers = add_base_layers(archive, base) if base else []
        total = len(layers) + len(conf["store_layers"]) + 1
        for paths in conf["store_layers"]:
            print(f"layer {len(layers) + 1} of {total}: {len(paths)} store paths", file=sys.stderr)
            layers.append(add_store_layer(archive, paths, owner, conf["store_dir"], store))
        layers.append(add_customisation_layer(archive, conf["customisation_layer"], mtime, store))

        image = {
            "created": created,
            "architecture": conf["architecture"],
            "os": "linux",
            "config": merge_env(base, conf["config"]),
            "rootfs": {"diff_ids": [f"sha256:{layer.checksum}" for layer in layers], "type": "layers"},
            "history": [{"created": created, "comment": f"store paths: {layer.paths}"} for layer in layers],
        }
        image_json = json.dumps(image, indent=4).encode()
        image_name = hashlib.sha256(image_json).hexdigest() + ".json"
        add_bytes(archive, image_name, image_json, mtime)
        manifest = [{
            "Config": image_name,
            "RepoTags": [args.repo_tag or conf["repo_tag"]],
            "Layers": [layer.name for layer in layers],
        }]
        add_bytes(archive, "manifest.json", json.dumps(manifest, indent=4).encode(), mtime)


if __name__ == "__main__":
    main()
