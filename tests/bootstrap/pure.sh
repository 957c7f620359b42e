# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The fakes' bodies expand when they run; the script reads what is set for it; run.sh runs cases with set -e.
# shellcheck disable=SC2016,SC2034,SC2164
# The functions that only compute.

case_versions_are_compared_as_numbers() {
    load
    local pair
    for pair in '9.2 9.2' '9.2.0 9.2' '10.0.2 9.2' '9.10 9.2' '1.96.0 1.95' '1.100 1.95'; do
        # shellcheck disable=SC2086
        version_ge $pair || { echo "refused: $pair"; return 1; }
    done
    for pair in '7.2.1 9.2' '9.1.9 9.2' '0 9.2' '1.63.0 1.95' '1.9 1.95'; do
        # shellcheck disable=SC2086
        if version_ge $pair; then echo "accepted: $pair"; return 1; fi
    done
}

case_versions_are_read_from_what_programs_print() {
    load
    same 10.0.2 "$(echo 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)' | qemu_version)"
    same 9.2.50 "$(echo 'QEMU emulator version 9.2.50' | qemu_version)"
    same '' "$(echo 'no emulator' | qemu_version)"
    same 1.97.0 "$(echo 'rustc 1.97.0-nightly (0123 2026-04-14)' | rust_number)"
    same 10.0.2 "$(upstream_version '1:10.0.2+ds-2+deb13u1~bpo12+1')"
    same 1.96.0 "$(upstream_version '1.96.0+dfsg1-1~deb12u2')"
    same 1.96.0 "$(upstream_version '1.96.0~beta.3')"
    same 0 "$(upstream_version '')"
}

case_mirror_is_derived_from_classic_sources() {
    load
    APT_ETC=$HERE/fixtures/classic
    same 'deb [arch=amd64] http://mirror.example/debian/ bookworm main
deb [arch=amd64] http://mirror.example/debian/ bookworm-backports main
deb [arch=amd64 signed-by=/usr/share/keyrings/some.gpg] http://mirror.example/debian/ bookworm-updates main
deb [arch=amd64] http://security.example/debian-security bookworm-security main' "$(debian_sources bookworm amd64 bookworm-backports)"
}

case_mirror_is_derived_from_deb822_sources() {
    load
    APT_ETC=$HERE/fixtures/deb822
    local k=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg f=mirror+file:/etc/apt/mirrors/debian.list
    same "deb [arch=arm64 $k] $f bookworm main
deb [arch=arm64 $k] $f bookworm-updates main
deb [arch=arm64 $k] http://second.example/debian bookworm main
deb [arch=arm64 $k] http://second.example/debian bookworm-updates main
deb [arch=arm64] http://security.example/debian-security bookworm-security main" "$(debian_sources bookworm arm64)"
}

case_a_machine_without_a_debian_mirror_is_noticed() {
    load
    APT_ETC=$HERE/fixtures/foreign
    if debian_sources bookworm arm64; then return 1; fi
    APT_ETC=$M/nowhere
    if debian_sources bookworm arm64; then return 1; fi
}

case_another_mirror_can_be_named() {
    load
    DEBIAN_KEYRING=$M/none
    same 'deb [arch=arm64] http://own.example/debian bookworm main' \
        "$(BULKHEAD_DEBIAN_MIRROR=http://own.example/debian guest_sources)"
    same 'deb [arch=arm64] http://own.example/debian trixie main' \
        "$(BULKHEAD_DEBIAN_MIRROR=http://own.example/debian BULKHEAD_DEBIAN_RELEASE=trixie guest_sources)"
}

case_json_text_is_escaped() {
    load
    same '"a \"b\" \\c d"' "$(json_text $'a "b" \\c\nd')"
}
