# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# QEMU: the one on the PATH, the distribution's, or the one of Debian's backports. For boards that ask for a later one,
# that of a later Debian release, unpacked into the cache with its libraries and never installed.

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
    debian_sources "$release" "$(dpkg --print-architecture)" "$release-backports" >"$folder/sources.list" ||
        die "the machine's apt sources name no mirror of Debian $release: add one, or set BULKHEAD_QEMU to a QEMU $MINIMUM_QEMU or later"
    private_apt "$folder"
    say "installing qemu-system-arm from $release-backports (the machine's apt configuration stays as it is)"
    quietly apt_get "${PRIVATE_APT[@]}" update &&
        quietly apt_get "${PRIVATE_APT[@]}" -y --no-install-recommends --no-remove -t "$release-backports" install qemu-system-arm
    local status=$?
    as_root rm -rf "$folder"
    return "$status"
}

# Where a later QEMU comes from.
LATER_RELEASE=trixie

# Sets BULKHEAD_QEMU_LATER to a QEMU of a release or later: the usual one where that will do. Implements: BH-RUN-006.
setup_later_qemu() { # RELEASE
    if version_ge "${QEMU_VERSION:-0}" "$1"; then return; fi
    if [[ -n ${BULKHEAD_QEMU_LATER:-} ]]; then
        is_qemu "$BULKHEAD_QEMU_LATER" "$1" || die "BULKHEAD_QEMU_LATER=$BULKHEAD_QEMU_LATER is not a QEMU of version $1 or later"
    else
        local program=$CACHE/qemu/qemu-system-aarch64
        if missing "unpack a QEMU of version $1 or later" is_qemu "$program" "$1"; then fetch_later_qemu "$1"; fi
        export BULKHEAD_QEMU_LATER=$program
    fi
    note "QEMU $1 or later, $BULKHEAD_QEMU_LATER"
}

is_qemu() { # PROGRAM RELEASE
    local version
    version=$("$1" --version 2>/dev/null | qemu_version) && version_ge "${version:-0}" "$2"
}

# Unpacks the QEMU of the later release, with all that it needs, into the cache.
fetch_later_qemu() { # RELEASE
    local by_hand="get a qemu-system-aarch64 $1 or later by hand and set BULKHEAD_QEMU_LATER to its path"
    local folder package
    { have apt-get && have dpkg && [[ $(os_field ID) == debian ]]; } || die "QEMU $1 or later is missing, which a board asks for: $by_hand"
    temporary && folder=$REPLY
    debian_sources "$(os_field VERSION_CODENAME)" "$(dpkg --print-architecture)" "$LATER_RELEASE" |
        grep " $LATER_RELEASE main$" >"$folder/sources.list" ||
        die "QEMU $1 or later is missing, which a board asks for, and the machine's apt sources name no mirror of its Debian release: $by_hand"
    : >"$folder/status"
    private_apt "$folder"
    mkdir -p "$folder/archives/partial" "$folder/tree"
    # Nothing counts as installed, so that all libraries come along; nothing of the machine is locked or changed.
    local -a apt=(apt-get "${PRIVATE_APT[@]}" "-oDir::State::status=$folder/status"
        "-oDir::Cache::archives=$folder/archives" -oDebug::NoLocking=1)
    say "downloading QEMU of Debian $LATER_RELEASE (into the cache, not installed)"
    quietly "${apt[@]}" update &&
        quietly "${apt[@]}" -y --no-install-recommends --download-only install qemu-system-arm ||
        die "QEMU $1 or later could not be downloaded; start again with the network on, or $by_hand"
    for package in "$folder"/archives/*.deb; do
        quietly dpkg -x "$package" "$folder/tree" || die "could not unpack ${package##*/} into $CACHE/qemu"
    done
    rm -rf "$folder/tree/usr/share/doc" "$folder/tree/usr/share/locale"
    later_qemu_wrapper >"$folder/tree/qemu-system-aarch64"
    chmod +x "$folder/tree/qemu-system-aarch64"
    is_qemu "$folder/tree/qemu-system-aarch64" "$1" || die "Debian $LATER_RELEASE has no QEMU $1 or later that runs here: $by_hand"
    rm -rf "$CACHE/qemu"
    mv -T "$folder/tree" "$CACHE/qemu"
}

# Prints the script that starts the unpacked QEMU by its own loader, with its own libraries, modules and data.
later_qemu_wrapper() {
    cat <<'END'
#!/bin/sh
# Starts the QEMU beside this file with the libraries it was built for.
here=$(dirname -- "$(readlink -f -- "$0")")
for loader in "$here"/usr/lib64/ld-linux-*.so.* "$here"/usr/lib/ld-linux-*.so.*; do
    [ -e "$loader" ] && break
done
for libraries in "$here"/usr/lib/*-linux-gnu; do
    [ -d "$libraries" ] && break
done
export QEMU_MODULE_DIR="$libraries/qemu"
exec "$loader" --library-path "$libraries" "$here/usr/bin/qemu-system-aarch64" -L "$here/usr/share/qemu" "$@"
END
}
