#!/usr/bin/env python3
"""Compare two builds of strake: the same work, taking turns.

usage: versions.py OLD NEW --store OUT_DIR [--registry PATH] [--runs N] [--scratch DIR]

OLD and NEW are strake binaries, OUT_DIR is a store made by store.py. Each round runs every job with both binaries, the
order alternating from round to round:

    stream cold, stream warm   strake stream, with an empty cache and with that of an earlier run, into a pipe that is
                               drained by splice(2), into one read by `cat`, and into /dev/null
    verify, verify gzip        strake verify of the image's docker-archive, and of that compressed by `gzip -1`
    push none, gzip, zstd      strake copy into an empty repository (with --registry: the distribution program)
    push again                 the same image under the same name, which sends nothing

Printed: medians of wall-clock seconds until the program has exited, the median of the ratios NEW / OLD round by round, the same
ratio of processor time (user and system), which other work on the machine changes less, and the highest peak memory (wait4). The
archives are compared first; a difference ends the run.
"""
import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

DRAIN = """
import os
null = os.open(os.devnull, os.O_WRONLY)
while os.splice(0, null, 1 << 20): pass
"""
READERS = {"drained pipe": [sys.executable, "-I", "-S", "-c", DRAIN], "cat": ["sh", "-c", "cat >/dev/null"], "null": None}


def run(command, cache, reader=None):
    """Wall-clock seconds, peak memory in KiB and processor seconds of a command, which must succeed."""
    environment = {**os.environ, "STRAKE_CACHE_DIR": cache}
    sink = subprocess.Popen(reader, stdin=subprocess.PIPE) if reader else None
    out = sink.stdin if sink else subprocess.DEVNULL
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=environment)
    if sink:
        sink.stdin.close()
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    if sink:
        sink.wait()
    if status:
        sys.exit(f"{command}: {said.decode()}")
    return seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime


class Registry:
    def __init__(self, program, scratch):
        self.directory = tempfile.mkdtemp(dir=scratch)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        conf = os.path.join(self.directory, "conf.yml")
        with open(conf, "w") as file:
            file.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {self.directory}/data}}}}\n"
                       f"http: {{addr: '127.0.0.1:{self.port}'}}\n")
        self.process = subprocess.Popen([program, "serve", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                sys.exit(f"{program} cannot be started")
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


def push(strake, store, compression, registry, cache):
    name = f"docker://127.0.0.1:{registry.port}/bench:1"
    options = ["--quiet", "--store-root", f"{store}/root", "--compress", compression]
    return run([strake, "copy", *options, f"{store}/conf.json", name], cache)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--store", required=True)
    parser.add_argument("--registry")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--push-runs", type=int, default=3)
    parser.add_argument("--scratch", default="/dev/shm")
    arguments = parser.parse_args()
    versions = {"old": arguments.old, "new": arguments.new}
    scratch = tempfile.mkdtemp(prefix="strake-versions-", dir=arguments.scratch)
    stream = lambda strake: [strake, "stream", "--quiet", "--store-root", f"{arguments.store}/root", f"{arguments.store}/conf.json"]
    try:
        warm = {version: os.path.join(scratch, version) for version in versions}
        digests = set()
        for version, strake in versions.items():
            process = subprocess.Popen(stream(strake), stdout=subprocess.PIPE, env={**os.environ, "STRAKE_CACHE_DIR": warm[version]})
            digests.add(hashlib.file_digest(process.stdout, "sha256").hexdigest())
            if process.wait():
                sys.exit("strake stream failed")
        if len(digests) != 1:
            sys.exit(f"the archives differ: {digests}")
        samples = {}
        archives = {"verify": f"{scratch}/image.tar", "verify gzip": f"{scratch}/image.tar.gz"}
        subprocess.run([*stream(arguments.old), "-o", archives["verify"]], check=True, env={**os.environ, "STRAKE_CACHE_DIR": warm["old"]})
        with open(archives["verify gzip"], "wb") as packed:
            subprocess.run(["gzip", "-1c", archives["verify"]], check=True, stdout=packed)

        def note(job, version, sample):
            samples.setdefault(job, {}).setdefault(version, []).append(sample)

        for turn in range(arguments.runs):
            order = list(versions.items())[:: 1 if turn % 2 == 0 else -1]
            for sink, reader in READERS.items():
                for version, strake in order:
                    with tempfile.TemporaryDirectory(dir=scratch) as cold:
                        note(f"stream cold, {sink}", version, run(stream(strake), cold, reader))
                for version, strake in order:
                    note(f"stream warm, {sink}", version, run(stream(strake), warm[version], reader))
            for job, archive in archives.items():
                for version, strake in order:
                    note(job, version, run([strake, "verify", "--no-cache", f"docker-archive:{archive}"], warm[version]))
        for turn in range(arguments.push_runs if arguments.registry else 0):
            order = list(versions.items())[:: 1 if turn % 2 == 0 else -1]
            for compression in ("none", "gzip", "zstd"):
                for version, strake in order:
                    registry = Registry(arguments.registry, scratch)
                    with tempfile.TemporaryDirectory(dir=scratch) as cold:
                        note(f"push {compression}", version, push(strake, arguments.store, compression, registry, cold))
                        note(f"push {compression} again", version, push(strake, arguments.store, compression, registry, cold))
                    registry.stop()
        print(f"{'job':<28}{'old s':>8}{'new s':>8}{'new/old':>9}{'cpu':>8}{'old MB':>8}{'new MB':>8}")
        for job, by in samples.items():
            old, new = ([seconds for seconds, _, _ in by[version]] for version in versions)
            peaks = [max(peak for _, peak, _ in by[version]) / 1000 for version in versions]
            ratio = statistics.median(b / a for a, b in zip(old, new))
            work = statistics.median(b[2] / a[2] for a, b in zip(*by.values()))
            print(f"{job:<28}{statistics.median(old):>8.3f}{statistics.median(new):>8.3f}{ratio:>9.3f}{work:>8.3f}{peaks[0]:>8.0f}{peaks[1]:>8.0f}")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
