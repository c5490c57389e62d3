#!/bin/sh
# Sees to it that `notary`, `notary-server`, `xmllint` and SoftHSM2 are there: Debian's packages, installed with apt-get as root or by sudo.
set -eu

wanted=
command -v notary >/dev/null && command -v notary-server >/dev/null || wanted="notary"
command -v xmllint >/dev/null || wanted="$wanted libxml2-utils"
command -v softhsm2-util >/dev/null || wanted="$wanted softhsm2"
if [ -z "$wanted" ]; then
    exit 0
fi

fail() {
    echo "error: the end-to-end suite needs notary, notary-server, xmllint and softhsm2-util: $1" >&2
    echo "       on Debian and Ubuntu: apt-get install notary libxml2-utils softhsm2" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get to install them with"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "installing them takes root, and there is no sudo"
    as_root="sudo -n"
fi

$as_root apt-get update -q || fail "apt-get update failed"
# Names of packages, each a word.
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $wanted \
    || fail "apt-get install failed"
command -v notary-server >/dev/null || fail "the package notary did not bring notary-server"
command -v xmllint >/dev/null || fail "the package libxml2-utils did not bring xmllint"
command -v softhsm2-util >/dev/null || fail "the package softhsm2 did not bring softhsm2-util"
