#!/usr/bin/env python3
"""Measure `strake stream` against baseline.py on a store made by store.py.

usage: stream.py --store OUT_DIR [--strake PATH] [--python PATH] [--runs N] [--save | --out FILE]
       stream.py --scaling SMALL_DIR LARGE_DIR [--strake PATH] [--runs N] [--save | --out FILE]

The first form checks that both programs write the same bytes, then runs them in turn, the order rotating from round
to round, on the same data and in the same minutes:

    baseline      baseline.py, run by the CPython given with --python (default: the one that runs this)
    strake cold   strake with an empty cache directory
    strake warm   strake with the cache directory of an earlier run

each to a pipe read by `cat >/dev/null`, to one drained by splice(2), as pv does, whose reader copies nothing and so
takes nothing of the processors, to a regular file and to /dev/null. It also prints limits for the same bytes on the
same machine: SHA-256 of the archive cut in one equal part per core, and sendfile(2) of it into either pipe. The page
cache is warm throughout, so disks play no part but in the file runs, which write to the page cache; what is dirty is
synced between runs.

The second form runs strake alone on two stores of the same kind of files and compares its cost per file and per byte.

Figures: wall-clock seconds until the program has exited, its own user and system time (the reading `cat` not
counted) and peak resident size, from wait4(2) in a small shim, whose own few MB are the least that can be seen.
Medians are printed; --save writes every sample to results/ beside this file, --out to FILE.
"""
import argparse
import contextlib
import datetime
import fcntl
import functools
import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 1 << 20
SINKS = ("pipe", "drain", "file", "null")
DRAIN = """
import os
null = os.open(os.devnull, os.O_WRONLY)
while os.splice(0, null, 1 << 20): pass
"""
READERS = {"pipe": ["sh", "-c", "cat >/dev/null"], "drain": [sys.executable, "-I", "-S", "-c", DRAIN]}
VARIANTS = ("baseline", "strake cold", "strake warm")

# Runs its arguments and reports to the file descriptor named first. The peak resident size that wait4 gives includes
# that of the forked process before exec: a bare interpreter keeps it small, and start-up is not timed.
SHIM = """
import os, sys, time
report, command = int(sys.argv[1]), sys.argv[2:]
start = time.monotonic()
child = os.fork()
if child == 0:
    try:
        os.close(report)
        os.execvp(command[0], command)
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - start
code = os.waitstatus_to_exitcode(status)
os.write(report, f"{wall} {usage.ru_utime} {usage.ru_stime} {usage.ru_maxrss} {code}".encode())
"""


@dataclass
class Sample:
    seconds: float
    user: float
    system: float
    peak_rss_kib: int


class Store:
    """A store made by store.py, and the commands that stream the image of it."""

    def __init__(self, directory, python, strake):
        self.directory = os.path.abspath(directory)
        self.conf = os.path.join(self.directory, "conf.json")
        with open(os.path.join(self.directory, "facts.json")) as file:
            self.facts = json.load(file)
        self.python, self.strake = python, strake

    def command(self, variant, output=None):
        root = os.path.join(self.directory, "root")
        if variant == "baseline":
            return [self.python, os.path.join(HERE, "baseline.py"), self.conf, "--store-root", root]
        to_file = ["-o", output] if output else []
        return [self.strake, "stream", "--quiet", "--store-root", root, *to_file, self.conf]


def fail(command, code, errors):
    errors.seek(0)
    sys.exit(f"{' '.join(command)}: exit code {code}\n{errors.read().decode(errors='replace')[-2000:]}")


def measure(command, stdout, cache):
    """Run `command` and return what it cost."""
    read_fd, write_fd = os.pipe()
    with tempfile.TemporaryFile() as errors:
        shim = subprocess.Popen([sys.executable, "-I", "-S", "-c", SHIM, str(write_fd), *command], stdout=stdout,
                                stderr=errors, pass_fds=[write_fd], env=dict(os.environ, STRAKE_CACHE_DIR=cache))
        os.close(write_fd)
        with open(read_fd) as report:
            wall, user, system, rss, code = report.read().split()
        shim.wait()
        if code != "0":
            fail(command, code, errors)
    return Sample(float(wall), float(user), float(system), int(rss))


class Consumer:
    """The reader of a pipe; a context that gives the pipe's write end."""

    def __init__(self, sink):
        self.reader = READERS[sink]

    def __enter__(self):
        self.process = subprocess.Popen(self.reader, stdin=subprocess.PIPE)
        return self.process.stdin

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def run(store, variant, sink, cache, scratch):
    """Run one variant into one sink."""
    os.sync()
    if sink in READERS:
        with Consumer(sink) as pipe:
            return measure(store.command(variant), pipe, cache)
    if sink == "null":
        return measure(store.command(variant), subprocess.DEVNULL, cache)
    output = os.path.join(scratch, "output.tar")
    try:
        with open(output if variant == "baseline" else os.devnull, "wb") as redirected:
            return measure(store.command(variant, output), redirected, cache)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(output)


def run_with_cache(store, variant, sink, warm_cache, scratch):
    """Run one variant with the cache directory that its name asks for."""
    if variant == "strake warm":
        return run(store, variant, sink, warm_cache, scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as empty:
        return run(store, variant, sink, empty, scratch)


def digest(command, cache, copy_to=os.devnull):
    """Return the SHA-256 and the size of what `command` writes, and copy it to a file."""
    sha, size = hashlib.sha256(), 0
    env = dict(os.environ, STRAKE_CACHE_DIR=cache)
    with tempfile.TemporaryFile() as errors, open(copy_to, "wb") as copy:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=env) as process:
            while chunk := process.stdout.read(CHUNK):
                sha.update(chunk)
                copy.write(chunk)
                size += len(chunk)
        if process.returncode != 0:
            fail(command, process.returncode, errors)
    return sha.hexdigest(), size


def check_same_bytes(store, warm_cache, archive):
    """Exit unless all variants write the same archive; leave it in `archive` and a filled cache in `warm_cache`."""
    expected, size = digest(store.command("baseline"), warm_cache, archive)
    for variant in ("strake cold", "strake warm"):
        found, length = digest(store.command(variant), warm_cache)
        if found != expected:
            sys.exit(f"{variant} wrote {length} bytes, sha256 {found}; baseline {size} bytes, sha256 {expected}")
    return expected, size


def hash_limit(archive, size):
    """Return the seconds that SHA-256 of the archive takes, one equal part per core."""
    cores = len(os.sched_getaffinity(0))

    def hash_part(part):
        sha, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK))
        position, end = size * part // cores, size * (part + 1) // cores
        while position < end:
            length = os.preadv(file.fileno(), [buffer[:min(CHUNK, end - position)]], position)
            sha.update(buffer[:length])
            position += length

    with open(archive, "rb") as file:
        start = time.monotonic()
        threads = [threading.Thread(target=hash_part, args=(part,)) for part in range(cores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - start


def copy_limit(sink, archive, size):
    """Return the seconds that sendfile(2) of the archive into a pipe takes."""
    with Consumer(sink) as pipe, open(archive, "rb") as file:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK)
        start = time.monotonic()
        position = 0
        while position < size:
            position += os.sendfile(pipe.fileno(), file.fileno(), position, size - position)
        return time.monotonic() - start


LIMITS = {
    "sha256, all cores": hash_limit,
    "copy to the pipe": functools.partial(copy_limit, "pipe"),
    "copy to the drain": functools.partial(copy_limit, "drain"),
}


def machine(python, strake):
    """Describe what the figures hold for."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", file.read(), re.MULTILINE)

    def version(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": version(python, "-c", "import platform; print(platform.python_version())"),
        "strake": version(strake, "--version"),
        "page_cache": "warm",
    }


def progress(text):
    print(text, file=sys.stderr, flush=True)


def compare(store, runs, scratch):
    """Measure every variant into every sink, and the limits."""
    warm_cache, archive = os.path.join(scratch, "warm-cache"), os.path.join(scratch, "archive.tar")
    os.mkdir(warm_cache)
    progress("checking that all write the same bytes")
    sha256, size = check_same_bytes(store, warm_cache, archive)

    os.sync()
    limits = {name: [] for name in LIMITS}
    for _ in range(runs):
        for name, limit in LIMITS.items():
            limits[name].append(limit(archive, size))
    os.unlink(archive)

    samples = {(sink, variant): [] for sink in SINKS for variant in VARIANTS}
    for round_number in range(runs):
        turn = round_number % len(VARIANTS)
        for sink in SINKS:
            for variant in VARIANTS[turn:] + VARIANTS[:turn]:
                sample = run_with_cache(store, variant, sink, warm_cache, scratch)
                samples[sink, variant].append(sample)
                progress(f"round {round_number + 1} of {runs}, {sink}, {variant}: {sample.seconds:.2f} s")
    return {
        "store": store.facts,
        "archive": {"sha256": sha256, "bytes": size},
        "limits": limits,
        "samples": [{"sink": sink, "variant": variant, "runs": [asdict(sample) for sample in measured]}
                    for (sink, variant), measured in samples.items()],
    }


def scale(stores, runs, scratch):
    """Measure strake to a pipe, cold and warm, on each store."""
    caches = [os.path.join(scratch, f"warm-cache-{number}") for number in range(len(stores))]
    samples = {(number, variant): [] for variant in VARIANTS[1:] for number in range(len(stores))}
    for store, cache in zip(stores, caches):
        os.mkdir(cache)
        digest(store.command("strake warm"), cache)
    for round_number in range(runs):
        for number, variant in samples:
            sample = run_with_cache(stores[number], variant, "pipe", caches[number], scratch)
            samples[number, variant].append(sample)
            progress(f"round {round_number + 1} of {runs}, store {number + 1}, {variant}: {sample.seconds:.2f} s")
    return {
        "stores": [store.facts for store in stores],
        "samples": [{"store": number, "variant": variant, "runs": [asdict(sample) for sample in measured]}
                    for (number, variant), measured in samples.items()],
    }


def median(runs, field):
    return statistics.median(sample[field] for sample in runs)


def describe(facts):
    return f"{facts['paths']} store paths, {facts['files']} files, {facts['bytes'] / 1e9:.2f} GB"


def print_comparison(result):
    size = result["archive"]["bytes"]
    layers = result["store"]["layers"]
    print(f"{describe(result['store'])}, {layers} layers; all variants wrote the same {size} bytes\n")
    print(f"{'sink':5} {'program':12} {'seconds':>8} {'range':>15} {'GB/s':>6} {'times':>6} "
          f"{'user':>7} {'sys':>7} {'RSS MB':>7}")
    base = {}
    for row in result["samples"]:
        seconds = median(row["runs"], "seconds")
        base.setdefault(row["sink"], seconds)  # the baseline comes first
        every = [sample["seconds"] for sample in row["runs"]]
        print(f"{row['sink']:5} {row['variant']:12} {seconds:8.3f} {f'{min(every):.2f} - {max(every):.2f}':>15} "
              f"{size / seconds / 1e9:6.2f} {base[row['sink']] / seconds:6.1f} {median(row['runs'], 'user'):7.2f} "
              f"{median(row['runs'], 'system'):7.2f} {median(row['runs'], 'peak_rss_kib') * 1024 / 1e6:7.1f}")
    print("\nlimits for the same bytes")
    for name, every in result["limits"].items():
        seconds = statistics.median(every)
        print(f"{name:18} {seconds:8.3f} {f'{min(every):.2f} - {max(every):.2f}':>15} {size / seconds / 1e9:6.2f} GB/s")


def print_scaling(result):
    small, large = result["stores"]
    print(f"small: {describe(small)}\nlarge: {describe(large)}\n")
    print(f"{'program':12} {'seconds':>17} {'us per file':>17} {'ratio':>6} "
          f"{'ns per byte':>17} {'ratio':>6} {'RSS MB':>15}")
    for variant in VARIANTS[1:]:
        runs = [row["runs"] for row in result["samples"] if row["variant"] == variant]
        seconds = [median(every, "seconds") for every in runs]
        per_file = [1e6 * cost / facts["files"] for cost, facts in zip(seconds, (small, large))]
        per_byte = [1e9 * cost / facts["bytes"] for cost, facts in zip(seconds, (small, large))]
        rss = [median(every, "peak_rss_kib") * 1024 / 1e6 for every in runs]
        print(f"{variant:12} {seconds[0]:8.3f} {seconds[1]:8.3f} {per_file[0]:8.2f} {per_file[1]:8.2f} "
              f"{per_file[1] / per_file[0]:6.2f} {per_byte[0]:8.2f} {per_byte[1]:8.2f} "
              f"{per_byte[1] / per_byte[0]:6.2f} {rss[0]:7.1f} {rss[1]:7.1f}")


def save(result, path):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(f"\nsaved in {path}")


def default_result_path(result, kind):
    about = result["machine"]
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)|@.*", "", about["cpu"].lower())).strip("-")
    return os.path.join(HERE, "results", f"{about['date'][:10]}-{cpu}-{about['cores']}-core-{kind}.json")


def main():
    parser = argparse.ArgumentParser(description="Measure `strake stream` against what dockerTools does.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--store", metavar="OUT_DIR", help="compare with the baseline on this store")
    what.add_argument("--scaling", nargs=2, metavar=("SMALL_DIR", "LARGE_DIR"), help="compare the cost on two stores")
    parser.add_argument("--strake", default=os.path.join(HERE, "..", "target", "release", "strake"), metavar="PATH")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="runs the baseline")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--save", action="store_true", help="save every sample in results/ beside this program")
    where.add_argument("--out", metavar="FILE", help="save every sample in FILE")
    args = parser.parse_args()

    strake = os.path.abspath(args.strake)
    if not os.access(strake, os.X_OK):
        sys.exit(f"stream.py: no executable {strake}: build it, or name it with --strake")
    stores = [Store(directory, args.python, strake) for directory in args.scaling or [args.store]]
    kind = "scaling" if args.scaling else "stream"
    result = {"kind": kind, "machine": machine(args.python, strake), "runs": args.runs}
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in result["machine"].items()))
    with tempfile.TemporaryDirectory(dir=stores[-1].directory, prefix="bench-") as scratch:
        if args.scaling:
            result.update(scale(stores, args.runs, scratch))
            print_scaling(result)
        else:
            result.update(compare(stores[0], args.runs, scratch))
            print_comparison(result)
    if args.save or args.out:
        save(result, args.out or default_result_path(result, kind))


if __name__ == "__main__":
    main()
