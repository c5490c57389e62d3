#!/bin/sh
# Sees to it that `notary` and `notary-server` are there: Debian's packages, installed with apt-get as root or by sudo.
set -eu

if command -v notary >/dev/null && command -v notary-server >/dev/null; then
    exit 0
fi

fail() {
    echo "error: the end-to-end suite needs notary and notary-server: $1" >&2
    echo "       on Debian and Ubuntu: apt-get install notary" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get to install them with"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "installing them takes root, and there is no sudo"
    as_root="sudo -n"
fi

$as_root apt-get update -q || fail "apt-get update failed"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends notary \
    || fail "apt-get install notary failed"
command -v notary-server >/dev/null || fail "the package notary did not bring notary-server"
