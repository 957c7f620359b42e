# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# A Rust that has the bare-metal target: the active one, rustup's with the target added, or the distribution's.

NETWORK_LIMIT=300s
DISTRO_BIN=/usr/bin
DISTRO_TOOLS=(rustc rustdoc cargo cargo-clippy clippy-driver cargo-fmt rustfmt lld)

has_target() { compgen -G "$1/lib/rustlib/$BARE_TARGET/lib/libcore-*.rlib" >/dev/null; }

recent_enough() { version_ge "${1:-0}" "$(minimum_rust)"; }

# The number in what "rustc --version" prints.
rust_number() { sed -n 's/^rustc \([0-9][0-9.]*\).*/\1/p'; }

# rustup installs and updates only where this script says so, never because cargo or rustc was called.
export RUSTUP_AUTO_INSTALL=0

# Sets RUST_SYSROOT and RUST_VERSION of the rustc that the repository would use.
active_rust() {
    have cargo && have rustc || return 1
    RUST_SYSROOT=$(cd "$ROOT" && rustc --print sysroot 2>/dev/null) || return 1
    RUST_VERSION=$(cd "$ROOT" && rustc --version 2>/dev/null | rust_number) || return 1
}

# A rustup that was installed without a new login is not yet on the PATH.
find_rustup() {
    local bin=${CARGO_HOME:-${HOME:-}/.cargo}/bin
    if ! have rustup && [[ -x $bin/rustup ]]; then PATH=$PATH:$bin; fi
    have rustup
}

# Route 1: nothing to do.
route_active() { active_rust && recent_enough "$RUST_VERSION" && has_target "$RUST_SYSROOT"; }

# Route 2: rustup adds the target, under a time limit.
route_rustup() {
    find_rustup || return 1
    if missing "install Rust" active_rust; then
        say "installing the stable Rust toolchain with $BARE_TARGET by rustup"
        quietly timeout "$NETWORK_LIMIT" rustup toolchain install stable --no-self-update \
            --profile minimal --component clippy --component rustfmt --target "$BARE_TARGET" || return 1
    elif recent_enough "$RUST_VERSION" && missing "add Rust's target" route_active; then
        say "adding the target $BARE_TARGET by rustup"
        quietly env -C "$ROOT" timeout "$NETWORK_LIMIT" rustup target add "$BARE_TARGET" || return 1
    fi
    route_active
}

# Sets RUST_VERSION and DISTRO_SYSROOT when the distribution's compiler, tools and library source are all there.
distro_rust() {
    local name
    for name in "${DISTRO_TOOLS[@]}"; do [[ -x $DISTRO_BIN/$name ]] || return 1; done
    [[ $(readlink -f "$DISTRO_BIN/rustc") != */rustup ]] || return 1
    RUST_VERSION=$("$DISTRO_BIN/rustc" --version | rust_number)
    recent_enough "$RUST_VERSION" || return 1
    DISTRO_SYSROOT=$("$DISTRO_BIN/rustc" --print sysroot)
    [[ -d $DISTRO_SYSROOT/lib/rustlib/src/rust/library/core ]]
}

# Debian keeps a recent compiler for its browsers in the -web packages; later releases may have it as plain rustc.
# Sets DISTRO_PACKAGES, or fails when this release has none that is recent enough.
distro_packages() {
    if recent_enough "$(upstream_version "$(apt_candidate rustc-web)")"; then
        DISTRO_PACKAGES=(rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld ca-certificates)
    elif recent_enough "$(upstream_version "$(apt_candidate rustc)")"; then
        DISTRO_PACKAGES=(rustc cargo rust-src rust-clippy rustfmt lld ca-certificates)
    else
        return 1
    fi
}

# Route 3: the distribution's compiler with our own build of the target's library, used through RUSTUP_TOOLCHAIN
# and PATH.
route_distro() {
    if missing "install Rust" distro_rust; then
        have apt-get || return 1
        apt_refresh
        distro_packages || return 1
        apt_install "Rust with its library source" "${DISTRO_PACKAGES[@]}"
        distro_rust || return 1
    fi
    RUST_SYSROOT=$(overlay_folder)
    if missing "build Rust's target" has_target "$RUST_SYSROOT"; then
        build_overlay "$RUST_SYSROOT" || { say "the distribution's Rust could not build core for $BARE_TARGET"; return 1; }
    fi
    use_overlay
}

use_overlay() {
    export RUSTUP_TOOLCHAIN=$RUST_SYSROOT PATH=$RUST_SYSROOT/bin:$PATH
    hash -r
}

no_toolchain() { # WHY
    die "$1; either of these helps: 'rustup update stable && rustup target add $BARE_TARGET', or" \
        "'sudo apt-get install rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld' (Debian with its security updates among the apt sources)"
}

# Finds or makes the toolchain. Sets RUST_ROUTE, RUST_SYSROOT, RUST_VERSION and the environment for cargo.
setup_toolchain() {
    case ${BULKHEAD_TOOLCHAIN:-} in
        '')
            find_rustup || :
            if route_active; then RUST_ROUTE=active
            elif route_rustup; then RUST_ROUTE=rustup
            elif route_distro; then RUST_ROUTE=distro
            else no_toolchain "no Rust $(minimum_rust) or later with $BARE_TARGET could be found or made"
            fi ;;
        rustup)
            RUST_ROUTE=rustup
            route_rustup || no_toolchain "BULKHEAD_TOOLCHAIN=rustup: rustup has no Rust $(minimum_rust) or later with $BARE_TARGET and could not get it" ;;
        distro)
            RUST_ROUTE=distro
            route_distro || no_toolchain "BULKHEAD_TOOLCHAIN=distro: the distribution's Rust $(minimum_rust) or later with $BARE_TARGET could not be had" ;;
        *) die "BULKHEAD_TOOLCHAIN=$BULKHEAD_TOOLCHAIN is not a route: rustup or distro" ;;
    esac
    note "Rust $RUST_VERSION ($RUST_ROUTE), $RUST_SYSROOT"
}

# The tests run clippy and rustfmt, which rustup's minimal profile leaves out.
setup_lints() {
    if missing "add clippy and rustfmt" has_lints; then
        say "adding clippy and rustfmt by rustup"
        quietly env -C "$ROOT" timeout "$NETWORK_LIMIT" rustup component add clippy rustfmt ||
            die "the tests need clippy and rustfmt: rustup component add clippy rustfmt"
    fi
}
has_lints() { [[ -x $RUST_SYSROOT/bin/cargo-clippy && -x $RUST_SYSROOT/bin/cargo-fmt ]] || ! have rustup; }
