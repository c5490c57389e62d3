#!/bin/sh
# Leaves docker's command line in DIR/docker: install-docker.sh DIR
#
# It is taken out of Debian's package, without its engine. Where there is no such package, the machine's own is linked to.
# docker 28 says that it removes a signer and does not (docker/cli, `trust signer remove`); 20.10 does.
set -eu

dir=$1
[ ! -x "$dir/docker" ] || exit 0
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT

fetch() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then apt-get update -q || return 1; fi
    # apt-get drops its rights where the folder lets it.
    chmod 755 "$fetched"
    for package in docker.io docker-cli; do
        (cd "$fetched" && apt-get download -q "$package") || continue
        dpkg-deb -x "$fetched/$package"_*.deb "$fetched/files"
        if [ -x "$fetched/files/usr/bin/docker" ]; then
            install "$fetched/files/usr/bin/docker" "$dir/docker"
            return 0
        fi
    done
    return 1
}

mkdir -p "$dir"
if fetch; then
    exit 0
elif own=$(command -v docker); then
    ln -sf "$own" "$dir/docker"
else
    echo "error: the end-to-end suite needs docker's command line (not its engine): on Debian and Ubuntu the package docker.io" >&2
    exit 1
fi
