#!/usr/bin/env python3
"""Time `strake layers` against the algorithms of nixpkgs that it has taken over, written anew in plain Python.

usage: originals.py [GRAPH ...] [--generate PATHS ...] [--strake PATH] [--max-layers N] [--runs N] [--limit SECONDS]

GRAPH is a references graph in the JSON of exportReferencesGraph. --generate makes graphs of so many paths, with 8.3
references each, always the same for the same number; without GRAPH and --generate there are three of them, the
largest of 60,000 paths and 500,000 references.

For each graph and each of `popularity` (references-by-popularity: roots found by looking for each path in all lists of
references, dictionaries merged once for each reference, recursively) and `auto` (auto-layer: a label, which is a
frozenset, for each path, copied for each primary) both programs run in processes of their own, from the JSON file to
the layers as JSON. The layers must be the same, for `auto` in any order: among closures of the same size chance decides
there. Medians of --runs rounds are printed. The originals run once, and are stopped after --limit seconds or at 8 GB of
memory: then the ratio is a lower bound.

Standard library only.
"""
import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

MEMORY = 8 << 30


def generated(count):
    """Paths that refer to others before them, to the first ones most, as everything refers to a few libraries."""
    chance = random.Random(count)
    digits = "0123456789abcdfghijklmnpqrsvwxyz"
    paths = [f"/nix/store/{''.join(chance.choices(digits, k=32))}-package-{i}" for i in range(count)]
    rows = []
    for i, path in enumerate(paths):
        wanted = 8 + (chance.random() < 0.5)
        below = {min(chance.randrange(i), chance.randrange(i)) for _ in range(wanted)} if i else ()
        size = int(1024 * chance.paretovariate(0.6))
        rows.append({"path": path, "narSize": size, "references": sorted(paths[j] for j in below)})
    return sorted(rows, key=lambda row: row["path"])


def popularity(rows, max_layers):
    """References-by-popularity: each path alone in the order of its popularity, all that is left in the last layer."""
    references = {row["path"]: [r for r in row["references"] if r != row["path"]] for row in rows}

    def is_root(path):
        return not any(path in row["references"] for row in rows if row["path"] != path)

    trees, counts = {}, {}

    def tree(path):
        if path not in trees:
            trees[path] = {reference: tree(reference) for reference in references[path]}
        return trees[path]

    def contest(level):
        total = Counter()
        for path, below in level.items():
            total[path] += 1
            if path not in counts:
                counts[path] = contest(below)
            for needed, count in counts[path].items():
                total[needed] += count + 1
        return total

    def name(path):
        first, *rest = path.split("-")
        return "-".join([*rest, first])

    result = contest({path: tree(path) for path in [row["path"] for row in rows] if is_root(path)})
    order = sorted(result, key=lambda path: (-result[path], name(path)))
    assert all(path in order for path in references)
    layers = [[path] for path in order[:max_layers - 1]] + [order[max_layers - 1:]]
    return [layer for layer in layers if layer]


def auto(rows, max_layers):
    """Auto-layer: paths with the same label share a layer, and each large path changes the labels of what it needs."""
    sizes = {row["path"]: row["narSize"] for row in rows}
    needs = {row["path"]: row["references"] for row in rows}
    users = {path: set() for path in needs}
    for path, references in needs.items():
        for reference in references:
            users[reference].add(path)

    def reached(edges, starts):
        seen, todo = set(), set(starts)
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo.update(edges[path])
        return seen

    labels = dict.fromkeys(needs, frozenset())
    for primary in reversed(sorted(needs, key=sizes.get)):
        after = {**labels, primary: frozenset([primary])}
        below, above = (reached(edges, [primary]) - {primary} for edges in (needs, users))
        for path in below:
            after[path] -= above
            if not after[path] & below:
                after[path] |= {primary}
        if len(set(after.values())) > max_layers:
            break
        labels = after
    layers = {}
    for path, label in labels.items():
        layers.setdefault(label, []).append(path)

    def closure_size(layer):
        return sum(sizes[path] for path in reached(needs, layer))

    return sorted((sorted(layer, key=lambda path: path.split("-", 1)[::-1]) for layer in layers.values()),
                  key=closure_size)


ORIGINALS = {"popularity": popularity, "auto": auto}


def run_original(strategy, graph, max_layers):
    """What the subprocess does; depth needs a stack of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.setrecursionlimit(1 << 30)
    threading.stack_size(1 << 29)

    def work():
        with open(graph) as file:
            rows = json.load(file)
        json.dump(ORIGINALS[strategy](rows, max_layers), sys.stdout)

    threading.excepthook = lambda _: os._exit(1)
    threading.Thread(target=work).start()


def timed(command, limit=None):
    """Seconds, and the layers; None where it was stopped or ended in an error."""
    start = time.monotonic()
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        if limit is None:
            sys.exit(f"{command}: {error}\n{error.stderr.decode()}")
        return time.monotonic() - start, None
    return time.monotonic() - start, json.loads(result.stdout)


def measure(strategy, graph, options):
    number = str(options.max_layers)
    ours = [options.strake, "layers", graph, "--strategy", strategy, "--max-layers", number, "--format", "json"]
    theirs = [sys.executable, os.path.abspath(__file__), "--original", strategy, graph, "--max-layers", number]
    rounds = [timed(ours) for _ in range(options.runs)]
    seconds, layers = statistics.median(seconds for seconds, _ in rounds), rounds[0][1]
    original, expected = timed(theirs, options.limit)
    if expected is not None and strategy == "auto":
        layers, expected = sorted(layers), sorted(expected)
    if expected not in (None, layers):
        sys.exit(f"{graph}: the layers of {strategy} are not the same")
    with open(graph) as file:
        rows = json.load(file)
    size = f"{len(rows):,} paths, {sum(len(row['references']) for row in rows):,} references"
    more = ">" if expected is None else " "
    times = f"{more}{original:8.2f} s  {seconds:6.3f} s  {more}{original / seconds:8.1f}"
    print(f"{size:>36}  {strategy:<10}  {times}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graphs", nargs="*", metavar="GRAPH")
    parser.add_argument("--generate", nargs="*", type=int, default=[], metavar="PATHS")
    parser.add_argument("--strake", default="target/release/strake")
    parser.add_argument("--max-layers", type=int, default=99)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--original", choices=ORIGINALS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.original:
        return run_original(options.original, options.graphs[0], options.max_layers)
    with tempfile.TemporaryDirectory() as directory:
        sizes = options.generate or ([] if options.graphs else [1_000, 4_000, 60_000])
        for size in sizes:
            options.graphs.append(os.path.join(directory, f"{size}.json"))
            with open(options.graphs[-1], "w") as file:
                json.dump(generated(size), file)
        print(f"{'graph':>36}  {'strategy':<10}  {'original':>11}  {'strake':>8}  {'times':>9}")
        for graph in options.graphs:
            for strategy in ORIGINALS:
                measure(strategy, graph, options)


if __name__ == "__main__":
    main()
