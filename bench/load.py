#!/usr/bin/env python3
"""Measure `strake load` against `docker load` of what dockerTools streams, after one small change.

usage: load.py [--strake PATH] [--python PATH] [--scratch DIR] [--layers N] [--mebibytes N] [--runs N] [--engine ENGINE]...
               [--save | --out FILE]

Makes a store of N paths with that many mebibytes in all, each a layer, and the confs of an image and of its next version, in which
one path of 10 KiB is another. Starts a dockerd, a containerd and a podman storage of its own below --scratch (needs root), and
measures, in turn, from command to loaded:

    stream        baseline.py (dockerTools' script) | docker load, or podman load or ctr images import of the same archive
    strake stream strake stream | the same
    strake load   strake load

each for the first version into an empty engine (first), the next version (changed) and the same once more (unchanged). The digest
cache of strake is warm, as it is after the first build. Medians of --runs rounds are printed, in seconds.
"""
import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SUFFIX = "bench-path"


def store(root, layers, mebibytes):
    """Makes the store; returns the two confs."""
    size = mebibytes * 2**20 // layers
    paths = []
    for place in range(layers):
        path = f"/nix/store/{place:032d}-{SUFFIX}"
        real = root + path
        os.makedirs(real)
        for number in range(4):
            with open(f"{real}/file{number}", "wb") as file:
                file.write(os.urandom(size // 4))
        paths.append(path)
    confs = []
    for version in (1, 2):
        path = f"/nix/store/{version:032d}-small"
        os.makedirs(root + path)
        with open(f"{root}{path}/version", "wb") as file:
            file.write(os.urandom(10 * 2**10))
        layer = f"/nix/store/{0:032d}-customisation-layer"
        os.makedirs(root + layer, exist_ok=True)
        with open(f"{root}{layer}/layer.tar", "wb") as file:
            file.write(bytes(10240))
        with open(f"{root}{layer}/checksum", "w") as file:
            file.write("84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652\n")
        conf = {
            "architecture": "amd64", "config": {"Cmd": ["/bin/true"]}, "os": "linux", "store_dir": "/nix/store",
            "from_image": None, "store_layers": [[p] for p in [*paths[:-1], path]], "customisation_layer": layer,
            "repo_tag": "bench:1", "created": "1970-01-01T00:00:01+00:00", "mtime": "1970-01-01T00:00:01+00:00",
            "uid": "0", "gid": "0", "uname": "root", "gname": "root",
        }
        confs.append(f"{root}/conf{version}.json")
        with open(confs[-1], "w") as file:
            json.dump(conf, file)
    # Files that were made this second have no settled change time, and their digests are not cached.
    time.sleep(2)
    return confs


def run(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def wait(*words):
    for _ in range(300):
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    sys.exit(f"{' '.join(words)} does not answer")


class Docker:
    name = "docker"

    def __init__(self, scratch):
        at = lambda name: f"{scratch}/{name}"
        self.socket = f"unix://{at('docker.sock')}"
        self.daemon = subprocess.Popen(
            ["dockerd", "--data-root", at("docker"), "--exec-root", at("docker-exec"), "--pidfile", at("docker.pid"),
             "-H", self.socket, "--iptables=false", "--bridge=none"],
            stdout=subprocess.DEVNULL, stderr=open(at("docker.log"), "w"))
        self.environment = {**os.environ, "DOCKER_HOST": self.socket}
        self.load = ["docker", "-H", self.socket, "load"]
        self.to = ["--to", "docker"]
        wait("docker", "-H", self.socket, "version")

    def empty(self):
        run("docker", "-H", self.socket, "image", "prune", "--all", "--force")

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()


class Containerd:
    name = "containerd"

    def __init__(self, scratch):
        at = lambda name: f"{scratch}/{name}"
        config = (f'version = 2\nroot = "{at("containerd")}"\nstate = "{at("containerd-state")}"\n'
                  f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{at("containerd.sock")}"\n')
        with open(at("containerd.toml"), "w") as file:
            file.write(config)
        self.daemon = subprocess.Popen(["containerd", "--config", at("containerd.toml")],
                                       stdout=subprocess.DEVNULL, stderr=open(at("containerd.log"), "w"))
        self.environment = {**os.environ, "CONTAINERD_ADDRESS": at("containerd.sock")}
        self.ctr = ["ctr", "--address", at("containerd.sock")]
        self.load = [*self.ctr, "images", "import", "-"]
        self.to = ["--to", "containerd"]
        wait(*self.ctr, "version")

    def empty(self):
        names = subprocess.run([*self.ctr, "images", "ls", "-q"], check=True, capture_output=True, text=True).stdout.split()
        for name in names:
            run(*self.ctr, "images", "rm", "--sync", name)

    stop = Docker.stop


class Podman:
    name = "podman"

    def __init__(self, scratch):
        directory = f"{scratch}/podman-bin"
        os.makedirs(directory)
        words = f"--storage-driver=overlay --root {scratch}/podman --runroot {scratch}/podman-run"
        with open(f"{directory}/podman", "w") as file:
            file.write(f'#!/bin/sh\nexec {shutil.which("podman")} {words} "$@"\n')
        os.chmod(f"{directory}/podman", 0o755)
        self.environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
        self.podman = [f"{directory}/podman"]
        self.load = [*self.podman, "load", "--quiet"]
        self.to = ["--to", "podman"]

    def empty(self):
        run(*self.podman, "rmi", "--all", "--force")

    def stop(self):
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--strake", default=f"{HERE}/../target/release/strake")
    options.add_argument("--python", default="python3")
    options.add_argument("--scratch")
    options.add_argument("--layers", type=int, default=98)
    options.add_argument("--mebibytes", type=int, default=600)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--engine", action="append", choices=["docker", "containerd", "podman"])
    options.add_argument("--out")
    options.add_argument("--save", action="store_true")
    options = options.parse_args()
    scratch = tempfile.mkdtemp(prefix="strake-load-", dir=options.scratch)
    engines = {"docker": Docker, "containerd": Containerd, "podman": Podman}
    samples = {}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        root = f"{scratch}/root"
        first, changed = store(root, options.layers, options.mebibytes)
        for engine in options.engine or list(engines):
            engine = engines[engine](scratch)
            stack.callback(engine.stop)
            environment = {**engine.environment, "STRAKE_CACHE_DIR": f"{scratch}/cache"}
            strake = [options.strake]
            for conf in (first, changed):
                run(*strake, "stream", "--store-root", root, conf, "-o", "/dev/null", env=environment)
            ways = {
                "stream": [options.python, f"{HERE}/baseline.py", "--store-root", root],
                "strake stream": [*strake, "stream", "--quiet", "--store-root", root],
                "strake load": None,
            }
            for number in range(options.runs):
                order = list(ways)
                order = order[number % len(order):] + order[:number % len(order)]
                for way in order:
                    engine.empty()
                    for step, conf in (("first", first), ("changed", changed), ("unchanged", changed)):
                        begun = time.monotonic()
                        if ways[way] is None:
                            run(*strake, "load", "--quiet", "--store-root", root, conf, *engine.to, env=environment)
                        else:
                            source = subprocess.Popen([*ways[way], conf], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
                            run(*engine.load, stdin=source.stdout, env=engine.environment)
                            source.stdout.close()
                            if source.wait() != 0:
                                sys.exit(f"{way} failed")
                        took = time.monotonic() - begun
                        samples.setdefault(f"{engine.name}: {way}", {}).setdefault(step, []).append(took)
    print(f"{options.mebibytes} MiB in {options.layers} layers, medians of {options.runs}, in seconds")
    print(f"{'':28}{'first':>10}{'changed':>10}{'unchanged':>10}")
    for name, steps in samples.items():
        print(f"{name:28}" + "".join(f"{statistics.median(steps[step]):10.2f}" for step in ("first", "changed", "unchanged")))
    if options.save or options.out:
        out = options.out or f"{HERE}/results/load-{time.strftime('%Y-%m-%d')}.json"
        with open(out, "w") as file:
            json.dump(samples, file, indent=1)
        print(f"samples: {out}")


main()
