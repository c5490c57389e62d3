#!/bin/sh
# Prints the target that static binaries are built for, and installs what that takes. The image's own is musl; where that
# cannot be had, glibc linked statically stands in for it, and this says so.
set -eu

machine=$(uname -m)
musl=$machine-unknown-linux-musl

as_root=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
    as_root="sudo -n"
fi

has_musl() {
    rustup target list --installed | grep -qx "$musl" || rustup target add "$musl" || return 1
    # ring and mimalloc are C.
    command -v musl-gcc >/dev/null && return
    command -v apt-get >/dev/null || return 1
    $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends musl-tools
}

if has_musl >&2; then
    echo "$musl"
else
    echo "warning: no $musl to be had (rustup target add, musl-gcc): the static binary is linked to glibc, the image's is not" >&2
    echo "$machine-unknown-linux-gnu"
fi
