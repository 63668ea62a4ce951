#!/bin/sh
# Builds the example's store again: the executable (x86-64 Linux) and the customisation layer.
set -eu
cd "$(dirname "$0")"
hello=nix/store/4xw8n979xpivdc46a9ndcvyhwgif00hz-hello-1.0
layer=nix/store/9n2g5dk4mydkgq1cc8p1s53wgzxh3a4c-hello-customisation-layer
mkdir -p $hello/bin $layer
gcc -Os -static -nostdlib -fno-stack-protector -fno-asynchronous-unwind-tables -Wl,--build-id=none,-z,norelro,-n -s \
    -o $hello/bin/hello hello.c
tree=$(mktemp -d)
mkdir -p "$tree/bin"
ln -s /$hello/bin/hello "$tree/bin/hello"
chmod 0755 "$tree" "$tree/bin"
tar --create --file=$layer/layer.tar --directory="$tree" --sort=name --format=gnu --mtime=@1 --owner=root:0 \
    --group=root:0 .
sha256sum $layer/layer.tar | cut -d ' ' -f 1 > $layer/checksum
rm -r "$tree"
