#!/usr/bin/env python3
"""How many bytes an update uploads, by layering strategy: `strake layers` over images and their history.

usage: layering.py [DIRECTORY] [--strake PATH] [--max-layers N ...] [--apps NAME,...]

DIRECTORY holds references graphs, gzipped JSON of exportReferencesGraph, and index.json: `apps.<image>` lists the graphs
of one image in order of time, each with `file`, `kind` (`init` begins a sequence; `app`: the image's own code changed,
`pkgs`: packages were updated, `add`: one was added) and `semantics` (`nix`: all that depends on a changed path changes,
`deb`: only that path does); `fleet.<image>` names one graph for each image, all of one day. Without DIRECTORY it is
tests/golden/layering, a small part of what bench/README.md has figures for.

For each update the layers that the version before did not have are counted as uploaded. Printed is, by kind of update,
uploaded bytes / bytes of new store paths; in brackets the same for clients that know a layer by all that lie below it
("chain"), for which everything above the first changed layer counts. Without any memory ("cost"), with a lock file that
is written at each step ("cost, lock"). For the fleet: bytes of distinct layers / bytes of distinct store paths.

Standard library only.
"""
import argparse
import gzip
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
STRATEGIES = ["one", "popularity", "each", "auto", "cost"]


class Strake:
    """Plans graphs, in a directory for what it needs besides."""

    def __init__(self, program, place):
        self.program, self.place = program, pathlib.Path(place)

    def layers(self, arguments):
        command = [self.program, "layers", *map(str, arguments)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def graph(self, file):
        """The graph, unpacked, and its store paths' sizes."""
        text = gzip.decompress(file.read_bytes())
        plain = self.place / (file.parent.name + "-" + file.name.removesuffix(".gz"))
        plain.write_bytes(text)
        return plain, {row["path"]: row["narSize"] for row in json.loads(text)}


def size(layers, sizes):
    return sum(sizes[path] for layer in layers for path in layer)


def uploaded(before, now, sizes):
    """Bytes of layers that are new, and bytes of those from the first new one up."""
    known = {frozenset(layer) for layer in before}
    new = size((layer for layer in now if frozenset(layer) not in known), sizes)
    same = 0
    while same < min(len(before), len(now)) and set(before[same]) == set(now[same]):
        same += 1
    return new, size(now[same:], sizes)


def history(strake, directory, sequences, max_layers):
    """By kind of update and strategy: bytes uploaded, bytes from the first new layer up, bytes of new paths."""
    totals = {}
    for name, steps in sequences.items():
        lock = strake.place / f"{name}-{max_layers}.lock"
        before = None
        for step in steps:
            graph, sizes = strake.graph(directory / step["file"])
            if step["kind"] == "init":
                lock.unlink(missing_ok=True)
                before = None
            plans = {s: strake.layers([graph, "--max-layers", max_layers, "--strategy", s]) for s in STRATEGIES}
            locked = [graph, "--max-layers", max_layers, "--lock", lock, "--update-lock"]
            plans["cost, lock"] = strake.layers(locked)
            if before:
                new_paths = sum(bytes for path, bytes in sizes.items() if path not in before[0])
                for strategy, plan in plans.items():
                    total = totals.setdefault((step["semantics"], step["kind"]), {}).setdefault(strategy, [0, 0, 0])
                    for place, bytes in enumerate([*uploaded(before[1][strategy], plan, sizes), new_paths]):
                        total[place] += bytes
            before = (sizes, plans)
            graph.unlink()
    return totals


def fleet(strake, directory, files, max_layers):
    """By strategy: bytes of distinct layers over bytes of distinct paths."""
    graphs, sizes = [], {}
    for file in files.values():
        graph, more = strake.graph(directory / file)
        graphs.append(graph)
        sizes |= more
    plans = {s: [strake.layers([g, "--max-layers", max_layers, "--strategy", s]) for g in graphs] for s in STRATEGIES}
    plans["cost, fleet"] = strake.layers(["--fleet", "--max-layers", max_layers, *graphs]).values()
    ratios = {}
    for strategy, images in plans.items():
        distinct = {frozenset(layer) for image in images for layer in image}
        ratios[strategy] = size(distinct, sizes) / sum(sizes.values())
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=pathlib.Path, default=HERE.parent / "tests/golden/layering")
    parser.add_argument("--strake", default=str(HERE.parent / "target/release/strake"))
    parser.add_argument("--max-layers", type=int, nargs="+", default=[100, 60])
    parser.add_argument("--apps", default="", help="only these images, with commas between")
    arguments = parser.parse_args()
    index = json.loads((arguments.directory / "index.json").read_text())
    wanted = set(filter(None, arguments.apps.split(",")))
    sequences = {name: steps for name, steps in index["apps"].items() if not wanted or name in wanted}
    for max_layers in arguments.max_layers:
        with tempfile.TemporaryDirectory() as place:
            strake = Strake(arguments.strake, place)
            columns = [*STRATEGIES, "cost, lock", "cost, fleet"]
            print(f"\n{max_layers} layers".ljust(13) + "".join(column.rjust(20) for column in columns))
            for (semantics, kind), totals in history(strake, arguments.directory, sequences, max_layers).items():
                cells = [totals.get(column) for column in columns]
                cells = ["-" if not c else f"{c[0] / c[2]:.3f} ({c[1] / c[2]:.2f})" for c in cells]
                print(f"{semantics} {kind}".ljust(12) + "".join(cell.rjust(20) for cell in cells))
            ratios = fleet(strake, arguments.directory, index["fleet"], max_layers)
            cells = [f"{ratios[column]:.4f}" if column in ratios else "-" for column in columns]
            print("fleet".ljust(12) + "".join(cell.rjust(20) for cell in cells))


if __name__ == "__main__":
    main()
