# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The fakes' bodies expand when they run; the script reads what is set for it; run.sh runs cases with set -e.
# shellcheck disable=SC2016,SC2034,SC2164
# Guest packages: fetched when the tool asks for them, whole or not at all.

# A mirror with busybox-static and a kernel behind a meta package.
add_mirror() {
    add_debian
    fake apt-cache <<'END'
case "$*" in
    *'show linux-image-cloud-arm64') printf 'Package: linux-image-cloud-arm64\nVersion: 6.1.9\nDepends: linux-image-6.1.0-9-cloud-arm64 (= 6.1.9-1)\n' ;;
    *'show linux-image-6.1.0-9-cloud-arm64') printf 'Version: 6.1.9-1\nDepends: kmod, linux-base\n' ;;
    *'show busybox-static') printf 'Version: 1:1.35.0-4\n' ;;
    *) exit 100 ;;
esac
END
    fake apt-get <<'END'
set -e
[[ ! -e $M/offline ]] || { echo 'E: Failed to fetch' >&2; exit 100; }
case "$*" in
    *-oAPT::Architecture=arm64*update) [[ $* == *"-oDir::State::Lists=$HOME/.cache/bulkhead/tmp."* ]] ;;
    *-oAPT::Architecture=arm64*download*)
        name=${!#}
        if [[ -e $M/hang ]]; then echo $$ >"$M/hanging"; exec sleep 60; fi
        mkdir -p tree/DEBIAN tree/boot
        printf 'Package: %s\nVersion: 1\nArchitecture: arm64\nMaintainer: nobody\nDescription: none\n' "${name%%=*}" >tree/DEBIAN/control
        echo "$name" >tree/boot/file
        dpkg-deb -b tree "${name%%=*}_arm64.deb" >/dev/null
        rm -r tree ;;
    *) exit 91 ;;
esac
END
}

guest_machine() {
    add_rust 1.95.0
    add_target
    add_host
    add_mirror
    export FAKE_NEEDS=$'debian-arm64 linux-image-cloud-arm64\ndebian-arm64 busybox-static\n'
    sed -i "s|^OS_RELEASE=.*|OS_RELEASE='$M/etc/os-release'|" "$M/re po/.bulkhead/base.sh"
    sed -i "s|^APT_ETC=.*|APT_ETC='$M/etc'|" "$M/re po/.bulkhead/apt.sh"
    GUEST=$HOME/.cache/bulkhead/guest
}

case_guests_are_fetched_once_and_stamped() {
    guest_machine
    bulkhead build x
    same 'linux-image-6.1.0-9-cloud-arm64 6.1.9-1' "$(cat "$GUEST/linux-image-cloud-arm64/.package")"
    same 'linux-image-6.1.0-9-cloud-arm64=6.1.9-1' "$(cat "$GUEST/linux-image-cloud-arm64/boot/file")"
    same 'busybox-static 1:1.35.0-4' "$(cat "$GUEST/busybox-static/.package")"
    same '' "$(find "$HOME/.cache/bulkhead" -name 'tmp.*')"
    : >"$LOG"
    forbid apt-get apt-cache
    bulkhead run 2>"$M/err"
    same '' "$(cat "$M/err")"
    not_called apt
}

case_verbs_without_guests_fetch_none() {
    guest_machine
    bulkhead check x
    not_called apt-get
}

# Verifies: BH-RUN-002.
case_a_guest_that_cannot_be_had_is_named_and_nothing_is_left() {
    guest_machine
    touch "$M/offline"
    expect_error 2 'by hand: get Debian' bulkhead build x
    grep -q 'the guest package linux-image-cloud-arm64 is missing' "$M/err"
    same lock "$(ls -A "$HOME/.cache/bulkhead")"
    rm "$M/offline"
    bulkhead build x
}

case_an_unknown_package_or_kind_is_refused() {
    guest_machine
    FAKE_NEEDS=$'debian-arm64 no-such-thing\n' expect_error 2 'has no arm64 package no-such-thing' bulkhead build x
    FAKE_NEEDS=$'debian-arm64 ../outside\n' expect_error 2 'not a Debian package name' bulkhead build x
    FAKE_NEEDS=$'floppy boot\n' expect_error 2 "the tool asks for 'floppy boot'" bulkhead build x
}

case_needs_that_fail_are_left_to_the_tool() {
    guest_machine
    FAKE_NEEDS_FAIL=1 bulkhead build broken.yaml | grep -qx '<build><broken.yaml>'
}

case_an_interrupted_fetch_leaves_nothing() {
    guest_machine
    touch "$M/hang"
    "$M/re po/bulkhead" build x 2>&1 &
    local start=$! tries=100
    while ((tries--)); do
        [[ ! -s $M/hanging ]] || break
        sleep 0.1
    done
    [[ -s $M/hanging ]]
    kill -TERM "$start"
    # The fake that hangs is its child; the shell acts on the signal when that is gone.
    kill "$(cat "$M/hanging")"
    if wait "$start"; then return 1; fi
    [[ ! -e $GUEST ]]
    same '' "$(find "$HOME/.cache/bulkhead" -name 'tmp.*')"
    rm "$M/hang"
    bulkhead build x
}

case_what_a_killed_start_left_is_removed() {
    guest_machine
    mkdir -p "$HOME/.cache/bulkhead/tmp.abcdefgh/tree"
    bulkhead build x
    same '' "$(find "$HOME/.cache/bulkhead" -name 'tmp.*')"
}

# A mirror whose QEMU package holds a loader that tells a version instead of loading.
add_later_qemu() { # VERSION
    guest_machine
    export FAKE_NEEDS=$'qemu 10.0.3\n' FAKE_QEMU=$1
    fake apt-get <<'END'
set -e
[[ ! -e $M/offline ]] || { echo 'E: Failed to fetch' >&2; exit 100; }
case "$*" in
    *update)
        for option in "$@"; do
            case $option in -oDir::Etc::sourcelist=*) cat "${option#*=}" ;; esac
        done >"$M/used.list" ;;
    *--download-only*qemu-system-arm)
        for option in "$@"; do
            case $option in -oDir::Cache::archives=*) archives=${option#*=} ;; esac
        done
        mkdir -p tree/DEBIAN tree/usr/lib64 tree/usr/lib/any-linux-gnu
        printf 'Package: qemu-system-arm\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n' >tree/DEBIAN/control
        printf '#!/bin/sh\necho "QEMU emulator version %s (Debian)"\n' "$FAKE_QEMU" >tree/usr/lib64/ld-linux-any.so.2
        chmod +x tree/usr/lib64/ld-linux-any.so.2
        dpkg-deb -b tree "$archives/qemu.deb" >/dev/null
        rm -r tree ;;
    *) exit 91 ;;
esac
END
}

# Verifies: BH-RUN-006.
case_a_later_qemu_is_unpacked_once_and_handed_on() {
    add_later_qemu 10.0.13
    bulkhead run >"$M/out"
    grep -q "^later=$HOME/.cache/bulkhead/qemu/qemu-system-aarch64$" "$M/out"
    grep -q "^qemu=$M/bin/qemu-system-aarch64$" "$M/out"
    same 'deb [arch=amd64] http://mirror.example/debian trixie main' "$(sed 's/arch=[^] ]*\( signed-by=[^]]*\)\?/arch=amd64/' "$M/used.list")"
    same '' "$(find "$HOME/.cache/bulkhead" -name 'tmp.*')"
    : >"$LOG"
    forbid apt-get apt-cache
    bulkhead run 2>"$M/err"
    same '' "$(cat "$M/err")"
    not_called apt
}

# Verifies: BH-RUN-006.
case_a_recent_qemu_serves_all_boards() {
    add_later_qemu 10.0.13
    add_qemu 10.0.3
    bulkhead run >"$M/out"
    grep -q '^later=$' "$M/out"
    not_called apt-get
}

# Verifies: BH-RUN-006, BH-RUN-002.
case_a_later_qemu_that_cannot_be_had_leaves_nothing() {
    add_later_qemu 10.0.2
    expect_error 2 'Debian trixie has no QEMU 10.0.3 or later' bulkhead run
    same lock "$(ls -A "$HOME/.cache/bulkhead")"
    touch "$M/offline"
    expect_error 2 'start again with the network on' bulkhead run
    same lock "$(ls -A "$HOME/.cache/bulkhead")"
    BULKHEAD_QEMU_LATER="$M/bin/qemu-system-aarch64" expect_error 2 'is not a QEMU of version 10.0.3 or later' bulkhead run
}
