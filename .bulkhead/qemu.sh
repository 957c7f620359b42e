# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# QEMU: the one on the PATH, the distribution's, or the one of Debian's backports.

MINIMUM_QEMU=9.2

# The version in what "qemu-system-aarch64 --version" prints.
qemu_version() { sed -n 's/^QEMU emulator version \([0-9][0-9.]*\).*/\1/p' | head -n 1; }

# Sets BULKHEAD_QEMU and QEMU_VERSION when a recent enough one is there.
find_qemu() {
    local qemu
    qemu=$(command -v "${BULKHEAD_QEMU:-qemu-system-aarch64}") || return 1
    QEMU_VERSION=$("$qemu" --version 2>/dev/null | qemu_version)
    version_ge "${QEMU_VERSION:-0}" "$MINIMUM_QEMU" || return 1
    export BULKHEAD_QEMU=$qemu
}

# Package versions carry an epoch and a revision: 1:10.0.2+ds-2 is 10.0.2.
upstream_version() { local v=${1#*:}; v=${v%%[-+~]*}; printf '%s' "${v:-0}"; }

setup_qemu() {
    if ! missing "install QEMU" find_qemu; then
        note "QEMU $QEMU_VERSION, $BULKHEAD_QEMU"
        return
    fi
    [[ -z ${BULKHEAD_QEMU:-} ]] || die "BULKHEAD_QEMU=$BULKHEAD_QEMU is not a QEMU of version $MINIMUM_QEMU or later"
    local by_hand="install qemu-system-aarch64 $MINIMUM_QEMU or later by hand, or set BULKHEAD_QEMU to its path"
    have apt-get || die "QEMU $MINIMUM_QEMU or later is missing: $by_hand"
    apt_refresh
    if version_ge "$(upstream_version "$(apt_candidate qemu-system-arm)")" "$MINIMUM_QEMU"; then
        apt_install "the emulator" qemu-system-arm
    elif [[ $(os_field ID) == debian ]]; then
        install_qemu_from_backports || die "QEMU could not be installed from Debian's backports: $by_hand"
    fi
    hash -r
    find_qemu || die "QEMU $MINIMUM_QEMU or later is missing and this release has ${QEMU_VERSION:-none}: $by_hand"
}

install_qemu_from_backports() {
    local release folder
    release=$(os_field VERSION_CODENAME)
    temporary && folder=$REPLY
    debian_sources "$release" "$(dpkg --print-architecture)" backports >"$folder/sources.list" ||
        die "the machine's apt sources name no mirror of Debian $release: add one, or set BULKHEAD_QEMU to a QEMU $MINIMUM_QEMU or later"
    private_apt "$folder"
    say "installing qemu-system-arm from $release-backports (the machine's apt configuration stays as it is)"
    quietly apt_get "${PRIVATE_APT[@]}" update &&
        quietly apt_get "${PRIVATE_APT[@]}" -y --no-install-recommends --no-remove -t "$release-backports" install qemu-system-arm
    local status=$?
    as_root rm -rf "$folder"
    return "$status"
}
