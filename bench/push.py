#!/usr/bin/env python3
"""Measure `strake copy CONF docker://…` against today's way on a store made by store.py.

usage: push.py --store OUT_DIR [--registry PATH] [--strake PATH] [--python PATH] [--scratch DIR] [--runs N]
               [--save | --out FILE]

Today's way: baseline.py (dockerTools' script) writes an archive, `skopeo copy` pushes it, which compresses with gzip. Each
variant pushes the same image into an empty registry of its own on loopback (--registry: a distribution, by default Debian's
docker-registry 2.8, which digests without the processor's help; tests/run installs version 3, which does), in turn, the order
rotating from round to round:

    today         baseline.py > archive, skopeo copy docker-archive:archive docker://…
    none, gzip, zstd, zstd:1
                  strake with an empty cache directory, with that --compress

and then, where gzip was pushed:

    again         the same push once more
    no cache      the same push from a machine that has never seen the image: empty cache
    one changed   a conf of which the last layer has one store path less

Figures: wall-clock seconds until the program has exited, its own processor time (the registry's not counted, though it runs
on the same cores), peak resident size, and what the registry holds. Medians are printed. The registries' files and the
archive lie below --scratch, by default in memory, so that disks play no part.
"""
import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
COMPRESS = ("none", "gzip", "zstd", "zstd:1")


class Registry:
    """An empty registry, until the end of the block."""

    def __init__(self, program, scratch):
        self.program = program
        self.directory = tempfile.mkdtemp(prefix="registry-", dir=scratch)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self):
        config = os.path.join(self.directory, "config.yml")
        data = os.path.join(self.directory, "data")
        with open(config, "w") as file:
            json.dump({
                "version": 0.1,
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": data}},
                "http": {"addr": self.address},
            }, file)
        log = open(os.path.join(self.directory, "log"), "w")
        self.server = subprocess.Popen([self.program, "serve", config], stdout=log, stderr=log)
        for _ in range(100):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/v2/")
                return self
            time.sleep(0.1)
        sys.exit(f"{self.program} does not answer")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.directory)

    def size(self):
        """The bytes of the pushed image's layers."""
        request = urllib.request.Request(f"http://{self.address}/v2/app/manifests/1")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json, "
                                     "application/vnd.docker.distribution.manifest.v2+json")
        manifest = json.load(urllib.request.urlopen(request))
        return sum(layer["size"] for layer in manifest["layers"])


def run(command, **options):
    """Seconds, processor seconds and peak KiB of a command."""
    begun = time.monotonic()
    child = subprocess.Popen(command, **options)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begun
    if status:
        sys.exit(f"{command[0]} failed")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss}


def version(registry):
    return subprocess.run([registry, "--version"], capture_output=True, text=True).stdout.strip()


def together(*parts):
    return {"seconds": sum(part["seconds"] for part in parts), "cpu": sum(part["cpu"] for part in parts),
            "peak_kib": max(part["peak_kib"] for part in parts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--registry", default="docker-registry")
    parser.add_argument("--strake", default=os.path.join(HERE, "../target/release/strake"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--scratch", default="/dev/shm")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    conf, root = os.path.join(arguments.store, "conf.json"), os.path.join(arguments.store, "root")
    scratch = tempfile.mkdtemp(prefix="strake-push-", dir=arguments.scratch)
    samples = {}

    def keep(variant, sample):
        samples.setdefault(variant, []).append(sample)
        print(f"{variant:<12} {sample['seconds']:7.2f} s", file=sys.stderr)

    def strake(registry, cache, conf, *options):
        environment = {**os.environ, "STRAKE_CACHE_DIR": os.path.join(scratch, cache)}
        command = [arguments.strake, "copy", "--quiet", "--store-root", root, *options, conf]
        return run([*command, f"docker://{registry.address}/app:1"], env=environment)

    def today():
        archive = os.path.join(scratch, "archive.tar")
        with Registry(arguments.registry, scratch) as registry:
            with open(archive, "wb") as out:
                made = run([arguments.python, os.path.join(HERE, "baseline.py"), conf, "--store-root", root],
                           stdout=out, stderr=subprocess.DEVNULL)
            pushed = run(["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
                          f"docker-archive:{archive}", f"docker://{registry.address}/app:1"])
            os.unlink(archive)
            keep("today", {**together(made, pushed), "archive": made["seconds"], "size": registry.size()})

    def first(compress):
        shutil.rmtree(os.path.join(scratch, "cache"), ignore_errors=True)
        with Registry(arguments.registry, scratch) as registry:
            sample = strake(registry, "cache", conf, "--compress", compress)
            keep(compress, {**sample, "size": registry.size()})
            if compress != "gzip":
                return
            keep("again", strake(registry, "cache", conf, "--compress", compress))
            keep("no cache", strake(registry, "empty", conf, "--compress", compress))
            shutil.rmtree(os.path.join(scratch, "empty"))
            with open(conf) as file:
                changed = json.load(file)
            changed["store_layers"][-1].pop()
            with open(os.path.join(scratch, "changed.json"), "w") as file:
                json.dump(changed, file)
            keep("one changed", strake(registry, "cache", os.path.join(scratch, "changed.json"), "--compress", compress))

    try:
        variants = [today, *[lambda compress=compress: first(compress) for compress in COMPRESS]]
        for turn in range(arguments.runs):
            for variant in variants[turn % len(variants):] + variants[:turn % len(variants)]:
                variant()
    finally:
        shutil.rmtree(scratch)

    def median(variant, key):
        return statistics.median(sample[key] for sample in samples[variant])

    base = median("today", "seconds")
    lines = [f"{'':<12} {'seconds':>8} {'ratio':>7} {'cpu':>7} {'peak MiB':>9} {'size MB':>8} {'of today':>8}"]
    for variant in samples:
        seconds = median(variant, "seconds")
        line = (f"{variant:<12} {seconds:8.2f} {base / seconds:6.1f}x {median(variant, 'cpu'):7.2f}"
                f" {median(variant, 'peak_kib') / 1024:9.1f}")
        if "size" in samples[variant][0]:
            size = median(variant, "size")
            line += f" {size / 1e6:8.0f} {size / median('today', 'size'):8.3f}"
        lines.append(line)
    print("\n".join(lines))
    result = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": platform.platform(),
              "cores": os.cpu_count(), "registry": version(arguments.registry), "samples": samples}
    out = arguments.out or (os.path.join(HERE, "results", f"{result['date'][:10]}-push.json") if arguments.save else None)
    if out:
        with open(out, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
