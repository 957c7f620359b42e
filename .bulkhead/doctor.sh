# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# ./bulkhead doctor: what is there, what is missing, the one command that helps. Changes nothing, needs no network.
# Implements: BH-RUN-003.

DOCTOR_NAMES=() DOCTOR_FOUND=() DOCTOR_HELP=() DOCTOR_LATER=

# One row; an empty HELP means that all is well.
finding() { # NAME FOUND HELP
    DOCTOR_NAMES+=("$1")
    DOCTOR_FOUND+=("$2")
    DOCTOR_HELP+=("$3")
}

doctor_rust() {
    local minimum route=${BULKHEAD_TOOLCHAIN:-}
    minimum=$(minimum_rust)
    if [[ $route != distro ]] && { find_rustup || [[ -z $route ]]; } && route_active; then
        finding rust "$RUST_VERSION with $BARE_TARGET in $RUST_SYSROOT" ''
    elif [[ $route != rustup ]] && distro_rust && RUST_SYSROOT=$(overlay_folder) && has_target "$RUST_SYSROOT"; then
        finding rust "$RUST_VERSION of the distribution with $BARE_TARGET in $RUST_SYSROOT" ''
    elif installed_without_rust; then
        finding rust "none; the installed tool is used as it is" ''
    elif [[ $route != distro ]] && active_rust; then
        if recent_enough "$RUST_VERSION"; then
            finding rust "$RUST_VERSION without $BARE_TARGET" "rustup target add $BARE_TARGET"
        else
            finding rust "$RUST_VERSION, older than $minimum" "rustup update stable"
        fi
    elif [[ $route != rustup ]] && distro_rust; then
        finding rust "$RUST_VERSION of the distribution, $BARE_TARGET not built yet" "BULKHEAD_TOOLCHAIN=distro ./bulkhead build"
    else
        finding rust "no Rust $minimum or later" "sudo apt-get install rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld"
    fi
}

doctor_programs() {
    if have cc; then finding linker "$(command -v cc)" ''; else finding linker "no cc" "sudo apt-get install gcc libc6-dev"; fi
    if find_qemu; then
        finding qemu "$QEMU_VERSION, $BULKHEAD_QEMU" ''
    else
        finding qemu "${QEMU_VERSION:-none}, $MINIMUM_QEMU or later is needed" "./bulkhead run"
    fi
    if have dtc; then
        finding dtc "$(command -v dtc)" ''
    else
        finding dtc "none; ./bulkhead test needs it and installs it" ''
        DOCTOR_LATER=' for all but ./bulkhead test'
    fi
}

doctor_tool() {
    if [[ -x $TOOL ]]; then finding tool "$TOOL" ''; else finding tool "not built" "./bulkhead build"; fi
    if [[ -e $BULKHEAD_IMAGES/.complete ]]; then
        finding images "$BULKHEAD_IMAGES" ''
    else
        finding images "not built" "./bulkhead build"
    fi
}

# The packages that the reference system needs, as the tool says; without the tool, those in the cache.
doctor_guests() {
    local needs kind package
    if [[ -x $TOOL ]] && needs=$("$TOOL" needs run 2>/dev/null); then
        while read -r kind package; do
            [[ $kind == debian-arm64 ]] || continue
            if guest_present "$package"; then
                finding "guest $package" "$(<"$CACHE/guest/$package/.package")" ''
            else
                finding "guest $package" "not in $BULKHEAD_GUEST" "./bulkhead build"
            fi
        done <<<"$needs"
    else
        finding guests "known once the tool is built" "./bulkhead build"
    fi
}

json_text() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/ }"
}

doctor_json() { # OK
    local i separator=''
    printf '{"ok":%s,"version":' "$1"
    json_text "$(tool_version)"
    printf ',"git":'
    json_text "$BULKHEAD_GIT"
    printf ',"checks":['
    for i in "${!DOCTOR_NAMES[@]}"; do
        printf '%s{"name":' "$separator"
        json_text "${DOCTOR_NAMES[i]}"
        printf ',"ok":%s,"found":' "$([[ -z ${DOCTOR_HELP[i]} ]] && printf true || printf false)"
        json_text "${DOCTOR_FOUND[i]}"
        printf ',"help":'
        json_text "${DOCTOR_HELP[i]}"
        printf '}'
        separator=,
    done
    printf ']}\n'
}

doctor_lines() { # OK
    local i
    for i in "${!DOCTOR_NAMES[@]}"; do
        if [[ -z ${DOCTOR_HELP[i]} ]]; then
            printf 'ok       %-8s %s\n' "${DOCTOR_NAMES[i]}" "${DOCTOR_FOUND[i]}"
        else
            printf 'missing  %-8s %s -> %s\n' "${DOCTOR_NAMES[i]}" "${DOCTOR_FOUND[i]}" "${DOCTOR_HELP[i]}"
        fi
    done
    if [[ $1 == true ]]; then printf 'all is there%s; the network is not needed\n' "$DOCTOR_LATER"; fi
}

doctor() { # doctor [--format json|text] [--json]
    local format=text help ok=true
    shift
    while (($#)); do
        case $1 in
            --json | --format=json) format=json ;;
            --format=text) format=text ;;
            --format)
                [[ ${2:-} == json || ${2:-} == text ]] || die "doctor: --format is json or text"
                format=$2
                shift ;;
            *) die "doctor: unknown argument $1" ;;
        esac
        shift
    done
    doctor_rust
    doctor_programs
    doctor_tool
    doctor_guests
    for help in "${DOCTOR_HELP[@]}"; do
        if [[ -n $help ]]; then ok=false; fi
    done
    "doctor_${format/text/lines}" "$ok"
    [[ $ok == true ]]
}
