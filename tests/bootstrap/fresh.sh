#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# The first start on a fresh machine: a minimal Debian 12 is bootstrapped into a folder; there a user with sudo, without
# Rust, compiler or QEMU, starts the reference system; then doctor; then a second start without network.
# Takes many minutes and the network. Exit 0 passed, 1 failed, 77 skipped because this machine cannot do it.
# Verifies: BH-RUN-005.
set -euo pipefail
HERE=$(dirname -- "$(readlink -f -- "$0")")
# shellcheck source=/dev/null
source "$HERE/../../bulkhead"
locate
PLACE=$CARGO_TARGET_DIR/fresh-debian
DEBIAN=$PLACE/root

skip() {
    printf 'SKIPPED: %s\n' "$*"
    exit 77
}

# In a mount and a process namespace of its own, which take with them whatever is mounted and started.
if [[ ${1:-} == --inside ]]; then
    mount --make-rprivate /
    mount -t proc proc "$DEBIAN/proc"
    mount -t sysfs -o ro sysfs "$DEBIAN/sys"
    mount --rbind /dev "$DEBIAN/dev"
    # The user's shell starts with a clean environment.
    as_driver() { chroot "$DEBIAN" su - driver -c "cd bulkhead && export CARGO_HTTP_CAINFO=/etc/machine.pem && $1"; }
    chroot "$DEBIAN" useradd --create-home --shell /bin/bash driver
    echo 'driver ALL=(ALL) NOPASSWD: ALL' >"$DEBIAN/etc/sudoers.d/driver"
    mkdir "$DEBIAN/home/driver/bulkhead"
    git -C "$ROOT" ls-files -z --cached --others --exclude-standard | tar -C "$ROOT" --null -T - -c |
        tar -C "$DEBIAN/home/driver/bulkhead" --no-same-owner -x
    chown -R --reference="$DEBIAN/home/driver" "$DEBIAN/home/driver/bulkhead"
    for program in rustc cargo cc qemu-system-aarch64; do
        if as_driver "command -v $program"; then die "the new Debian has $program already"; fi
    done
    as_driver './bulkhead run --headless --for 60s --report r.json'
    as_driver "grep '\"verdict\": \"pass\"' r.json"
    as_driver './bulkhead doctor'
    export DEBIAN
    export -f as_driver
    unshare --net bash -c "as_driver './bulkhead run --headless --for 60s 2>err'"
    if as_driver "grep '^bulkhead:' err"; then die "the second start has set up something"; fi
    exit
fi

((EUID == 0)) || skip "only root can make a chroot"
have mmdebstrap || skip "no mmdebstrap (sudo apt-get install mmdebstrap)"
unshare --mount --pid --fork true 2>/dev/null || skip "no mount namespace"
sources=$(debian_sources bookworm "$(dpkg --print-architecture)") || skip "the machine's apt sources name no mirror of Debian 12"
clean_up() { rm -rf --one-file-system "$PLACE"; }
clean_up
mkdir -p "$PLACE"
mmdebstrap --quiet --mode=root --variant=apt --include=sudo bookworm "$DEBIAN" - <<<"$sources"
cp -L /etc/resolv.conf "$DEBIAN/etc/resolv.conf"
# A network may have a certificate authority of its own.
cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$DEBIAN/etc/machine.pem"
timeout -k 10 3600 unshare --mount --pid --fork --kill-child bash "$HERE/fresh.sh" --inside
echo 'fresh: passed'
