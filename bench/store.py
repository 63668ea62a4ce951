#!/usr/bin/env python3
"""Make a throw-away Nix store to measure on, and the conf.json of an image of it.

usage: store.py OUT_DIR [PACKAGE...]                          real software
       store.py OUT_DIR --many-small [--paths N] [--files M]  N paths that hold M small files

Real software: each Debian package in the dependency closure of PACKAGE... becomes a store path, so that sizes, file
counts, names and references are those of real software. What is missing is installed with apt (run as root). The
default packages give about 300 paths, 45,000 files and 2.6 GB.

The store lies below OUT_DIR/root and is a real one (`NIX_REMOTE=local?root=OUT_DIR/root`): the trees are serialised
here and handed to `nix-store --import`, which unpacks, hashes and registers them. Nothing is built and nothing is
written outside OUT_DIR. Running again with the same request returns at once.

Writes OUT_DIR/graph.json   the references graph: [{path, references, narSize, narHash}], sorted by path
       OUT_DIR/conf.json    what dockerTools would write: layers by its default rule (auto-layer)
       OUT_DIR/facts.json   the request, and the number of paths, files and bytes
"""
import argparse
import hashlib
import io
import json
import os
import platform
import random
import re
import stat
import struct
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from graphlib import TopologicalSorter

STORE = "/nix/store"
PACKAGES = ["openjdk-17-jdk-headless", "git", "rustc", "cargo", "clang-14", "llvm-14-dev", "golang-go",
            "libboost1.74-dev", "libreoffice-writer"]
MAX_LAYERS = 100
BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
TIME = "1970-01-01T00:00:01+00:00"
CHUNK = 1 << 20
EXPORT_MAGIC = 0x4558494E


@dataclass
class HostFile:
    """A regular file of this machine, to be read when it is written."""
    path: str
    size: int
    executable: bool


@dataclass
class Link:
    """A symbolic link."""
    target: bytes


@dataclass
class StorePath:
    """What becomes a store path. A tree is {name: bytes | HostFile | Link | tree}, with names as bytes."""
    path: str
    references: list
    tree: dict


def store_path(name, *key):
    digest = hashlib.sha256("\0".join([name, *key]).encode()).digest()
    name = re.sub(r"[^A-Za-z0-9+._?=-]", "_", name)
    return f"{STORE}/{''.join(BASE32[byte % 32] for byte in digest)}-{name}"


def insert(tree, names, node):
    for name in names[:-1]:
        tree = tree.setdefault(name, {})
    tree[names[-1]] = node


# Serialising for `nix-store --import`

def padded(length):
    return bytes(-length % 8)


def word(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data + padded(len(data))


def words(*texts):
    return b"".join(map(word, texts))


def nar_node(node):
    """Yield the pieces of one node of a Nix archive."""
    if isinstance(node, dict):
        yield words("(", "type", "directory")
        for name in sorted(node):
            yield words("entry", "(", "name", name, "node")
            yield from nar_node(node[name])
            yield word(")")
        yield word(")")
    elif isinstance(node, Link):
        yield words("(", "type", "symlink", "target", node.target, ")")
    elif isinstance(node, HostFile):
        yield words("(", "type", "regular", *(["executable", ""] if node.executable else []), "contents")
        yield struct.pack("<Q", node.size)
        with open(node.path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        yield padded(node.size) + word(")")
    else:
        yield words("(", "type", "regular", "contents", node, ")")


def export(item):
    """Yield the pieces of one store path in the format of `nix-store --export`."""
    yield struct.pack("<Q", 1) + word("nix-archive-1")
    yield from nar_node(item.tree)
    yield struct.pack("<Q", EXPORT_MAGIC) + word(item.path)
    yield struct.pack("<Q", len(item.references)) + words(*sorted(item.references))
    yield word("") + struct.pack("<Q", 0)  # no deriver, no signature


class NixStore:
    """A Nix store below `out`/root, used without a daemon."""

    def __init__(self, out):
        settings = os.path.join(out, "nix-conf")
        os.makedirs(settings, exist_ok=True)
        with open(os.path.join(settings, "nix.conf"), "w") as file:
            file.write("build-users-group =\nsubstituters =\nexperimental-features = nix-command\n")
        self.env = dict(os.environ, NIX_CONF_DIR=settings, NIX_REMOTE=f"local?root={os.path.join(out, 'root')}")

    def add(self, items):
        """Import `items`, each after those it refers to."""
        command = ["nix-store", "--import"]
        nix = subprocess.Popen(command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with nix.stdin as stream:
            for item in items:
                for piece in export(item):
                    stream.write(piece)
            stream.write(struct.pack("<Q", 0))
        if nix.wait() != 0:
            sys.exit("store.py: nix-store --import failed")

    def graph(self, paths):
        command = ["nix", "path-info", "--json", *paths]
        info = json.loads(subprocess.run(command, env=self.env, stdout=subprocess.PIPE, check=True).stdout)
        keep = ("path", "references", "narSize", "narHash")
        return sorted(({key: entry[key] for key in keep} for entry in info), key=lambda entry: entry["path"])


# Real software: installed Debian packages

def installed_packages():
    """Return {package: (version, dependency clauses)} and {virtual package: package}."""
    fields = "${Package}\t${Version}\t${db:Status-Abbrev}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    installed, provided = {}, {}
    listing = subprocess.run(["dpkg-query", "-W", "-f", fields], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listing.splitlines():
        package, version, status, depends, provides = line.split("\t")
        if status.startswith("ii"):
            installed[package] = (version, depends.split(","))
            for name in provides.split(","):
                provided.setdefault(name.strip().split(" ")[0], package)
    return installed, provided


def install(packages):
    missing = [package for package in packages if package not in installed_packages()[0]]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *missing], stdout=sys.stderr,
                       env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"), check=True)


def package_graph(roots):
    """Return {package: dependencies} of the closure of `roots`, dependencies first, cycles cut."""
    installed, provided = installed_packages()
    graph, open_packages = {}, set()

    def resolve(clause):
        for alternative in clause.split("|"):
            name = re.split(r"[\s:(]", alternative.strip())[0]
            name = name if name in installed else provided.get(name)
            if name:
                return name

    def visit(package):
        open_packages.add(package)
        dependencies = sorted(set(filter(None, map(resolve, installed[package][1]))) - open_packages)
        for dependency in dependencies:
            if dependency not in graph:
                visit(dependency)
        open_packages.remove(package)
        graph[package] = dependencies

    for root in roots:
        if root not in graph:
            visit(root)
    return graph, {package: installed[package][0] for package in graph}


def package_tree(package):
    """Return the files and links of an installed package; directories only where they hold some."""
    listing = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, check=True).stdout
    files = [line for line in listing.split(b"\n") if line.startswith(b"/") and line != b"/."]
    parents = {os.path.dirname(file) for file in files}  # on a merged /usr, /lib is a link here and a directory there
    tree = {}
    for file in files:
        if file in parents or not os.path.lexists(file):
            continue
        status = os.lstat(file)
        if stat.S_ISLNK(status.st_mode):
            insert(tree, file[1:].split(b"/"), Link(os.readlink(file)))
        elif stat.S_ISREG(status.st_mode):
            executable = bool(status.st_mode & stat.S_IXUSR)
            insert(tree, file[1:].split(b"/"), HostFile(os.fsdecode(file), status.st_size, executable))
    return tree


def debian_paths(packages):
    """Yield the store paths of the closure of `packages`, dependencies first."""
    graph, versions = package_graph(packages)
    paths = {}
    for package, dependencies in graph.items():
        references = [paths[dependency] for dependency in dependencies]
        paths[package] = store_path(f"{package}-{versions[package]}", *references)
        tree = package_tree(package)
        insert(tree, [b"nix-support", b"dependencies"], "".join(f"{path}\n" for path in references).encode())
        yield StorePath(paths[package], references, tree)


# Many small files

def small_paths(count, files):
    """Yield `count` store paths that hold `files` files of 200 B to 8 KiB between them, 25 to a directory."""
    rng = random.Random(f"{count} {files}")
    noise = rng.randbytes(CHUNK)
    paths = []
    for number in range(count):
        references = sorted({paths[int(number * rng.random() ** 2)] for _ in range(rng.randrange(6))} if paths else ())
        paths.append(store_path(f"small-{number}-1.0", str(count), str(files)))
        tree = {}
        for index in range(files * number // count, files * (number + 1) // count):
            size = min(max(int(rng.lognormvariate(7.4, 0.9)), 200), 8192)
            start = rng.randrange(CHUNK - size)
            names = f"lib/part-{index // 25 % 40:02}/module-{index % 25:02}-{index}.py".encode().split(b"/")
            insert(tree, names, noise[start:start + size])
        yield StorePath(paths[-1], references, tree)


# The image

def auto_layers(graph, limit):
    """Return the layers that dockerTools' default rule makes of `graph`, at most `limit` of them.

    All paths begin in one layer. Then, the largest first, each path in turn gets a layer to which those of its
    dependencies belong that nothing outside needs; what several such layers need goes into layers of its own.
    """
    references = {item["path"]: set(item["references"]) - {item["path"]} for item in graph}
    order = list(TopologicalSorter(references).static_order())
    below = {}
    for path in order:
        below[path] = {path}.union(*(below[reference] for reference in references[path]))
    above = {path: {path} for path in order}
    for path in order:
        for dependency in below[path]:
            above[dependency].add(path)

    size = {item["path"]: item["narSize"] for item in graph}
    owners = {path: frozenset() for path in references}
    for path in sorted(references, key=lambda path: (size[path], path), reverse=True):
        step = dict(owners)
        step[path] = frozenset([path])
        for dependency in below[path] - {path}:
            left = step[dependency] - above[path]
            step[dependency] = left if left & below[path] else left | {path}
        if len(set(step.values())) > limit:
            break
        owners = step

    layers = {}
    for path in sorted(references, key=lambda path: os.path.basename(path).split("-", 1)[::-1]):
        layers.setdefault(owners[path], []).append(path)
    closure = lambda layer: sum(size[path] for path in set().union(*(below[path] for path in layer)))
    return sorted(layers.values(), key=closure)


def customisation_layer(references):
    """Return the store path of a customisation layer that links `references` into the image's /share."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        links = [(f"./share/{os.path.basename(path)}", path) for path in references]
        for name, target in [("./", None), ("./share/", None), *links]:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.mtime, entry.uname, entry.gname = 0o755, 1, "root", "root"
            entry.type, entry.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.DIRTYPE, "")
            tar.addfile(entry)
    checksum = hashlib.sha256(layer.getvalue()).hexdigest()
    tree = {b"layer.tar": layer.getvalue(), b"checksum": f"{checksum}\n".encode()}
    return StorePath(store_path("bench-customisation-layer", checksum), references, tree)


def image_conf(layers, customisation):
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "os": "linux",
        "store_dir": STORE,
        "from_image": None,
        "store_layers": layers,
        "customisation_layer": customisation,
        "repo_tag": "bench:latest",
        "created": TIME,
        "mtime": TIME,
        "uid": "0",
        "gid": "0",
        "uname": "root",
        "gname": "root",
    }


def count_files(trees):
    """Return the number of files (links included) below the directories `trees`, and the bytes in the regular ones."""
    files = size = 0
    for tree in trees:
        for directory, directories, names in os.walk(tree):
            for status in (os.lstat(os.path.join(directory, name)) for name in directories + names):
                files += not stat.S_ISDIR(status.st_mode)
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return files, size


def save(out, name, value):
    with open(os.path.join(out, name), "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description="Make a throw-away Nix store to measure on.")
    parser.add_argument("out", metavar="OUT_DIR")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: {' '.join(PACKAGES)}")
    parser.add_argument("--many-small", action="store_true", help="a synthetic store of many small files")
    parser.add_argument("--paths", type=int, default=1_000)
    parser.add_argument("--files", type=int, default=500_000)
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    packages = args.packages or PACKAGES
    request = {"paths": args.paths, "files": args.files} if args.many_small else {"packages": packages}

    facts_file = os.path.join(out, "facts.json")
    if os.path.exists(facts_file):
        with open(facts_file) as file:
            facts = json.load(file)
        if facts["request"] != request:
            sys.exit(f"store.py: {out} holds another store, made for {facts['request']}")
    else:
        install(["nix-bin"] if args.many_small else ["nix-bin", *packages])
        os.makedirs(out, exist_ok=True)
        store = NixStore(out)
        references = {}

        def noted(items):
            for item in items:
                references[item.path] = item.references
                yield item

        store.add(noted(small_paths(args.paths, args.files) if args.many_small else debian_paths(packages)))
        referred = set().union(*references.values())
        customisation = customisation_layer([path for path in references if path not in referred])
        store.add([customisation])
        files, size = count_files(f"{out}/root{path}" for path in references)

        graph = store.graph(references)
        layers = auto_layers(graph, MAX_LAYERS - 1)  # one is for the customisation
        save(out, "graph.json", graph)
        save(out, "conf.json", image_conf(layers, customisation.path))
        facts = {"request": request, "paths": len(references), "files": files, "bytes": size, "layers": len(layers) + 1}
        save(out, "facts.json", facts)
    size = f"{facts['bytes'] / 1e9:.2f} GB"
    print(f"{facts['paths']} store paths, {facts['files']} files, {size}, {facts['layers']} layers")


if __name__ == "__main__":
    main()
