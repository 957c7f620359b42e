#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Forces the distribution's Rust and does with it all that the project does: builds the tool and the target images,
# whose paths and stacks keep their bounds, lints, formats, documents, links with fat LTO. Keeps its own cache and build folders, so that a second run is cheap.
# Exit 0 passed, 1 failed, 77 skipped because this release of the distribution has no recent enough Rust.
set -euo pipefail
HERE=$(dirname -- "$(readlink -f -- "$0")")
PLACE=$(realpath -m -- "${CARGO_TARGET_DIR:-$HERE/../../target}")/distro
GUEST=${BULKHEAD_GUEST:-${BULKHEAD_CACHE:-$HOME/.cache/bulkhead}/guest}
mapfile -d '' -t usual < <(env --null)
unset RUSTUP_TOOLCHAIN
# That the tool builds is asked, not how fast it is.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=0
export BULKHEAD_TOOLCHAIN=distro BULKHEAD_CACHE=$PLACE/cache CARGO_TARGET_DIR=$PLACE/build
# shellcheck source=/dev/null
source "$HERE/../../bulkhead"

passed=0 failed=0
check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$name"
    else
        failed=$((failed + 1))
        # What went wrong is said last.
        printf 'FAILED  %s\n%s\n' "$name" "$(tail -n 30 <<<"$output")"
    fi
}

# A crate with a known lint, a known ill-formed line, floating point and a call to memcpy.
write_crate() {
    mkdir -p "$PLACE/crate"
    cat >"$PLACE/crate/Cargo.toml" <<'END'
[package]
name = "distro-route"
version = "0.0.0"
edition = "2024"
[[bin]]
name = "distro-route"
path = "main.rs"
test = false
[profile.image]
inherits = "release"
opt-level = "s"
lto = "fat"
codegen-units = 1
panic = "abort"
[workspace]
END
    cat >"$PLACE/crate/main.rs" <<'END'
//! Links against the overlay's library.
#![no_std]
#![no_main]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start(scale: f64, from: &[u8; 4096], to: &mut [u8; 4096], n: usize) -> f64 {
    *to = *from;
    let same = n;
    if same == same {
        scale * f64::from(to[n % 4096])
    } else {
        0.0
    }
}
END
}

in_crate() { (cd "$PLACE/crate" && CARGO_TARGET_DIR=$PLACE/probe "$@"); }

# Succeeds when the command fails and says TEXT.
refuses() { # TEXT COMMAND...
    local text=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "accepted: $*"
        return 1
    fi
    grep -F -- "$text" <<<"$output" || { echo "$output"; return 1; }
}

is_the_overlay_s() { # COMMAND...
    local sysroot
    sysroot=$(cd "$ROOT" && "$@" --print sysroot)
    [[ $sysroot == "$RUST_SYSROOT" ]] || { echo "$* uses $sysroot"; return 1; }
}

# The usual tool, which is faster, and its tests judge this compiler's images.
judges() { # VERB...
    env --ignore-environment "${usual[@]}" "BULKHEAD_GUEST=$GUEST" "BULKHEAD_IMAGES=$CARGO_TARGET_DIR/images" \
        "$PLACE/../release/bulkhead-tool" "$@"
}

main_test() {
    if ! distro_rust; then
        apt_refresh
        distro_packages || { echo "SKIPPED: this distribution has no Rust $(minimum_rust) or later"; exit 77; }
    fi
    setup_linker
    setup_toolchain
    drop_lock
    mkdir -p "$CARGO_TARGET_DIR"
    take_lock "$CARGO_TARGET_DIR/.bulkhead-lock" "test the distribution's Rust"
    write_crate
    check "rustc on the PATH is the overlay's" is_the_overlay_s rustc
    if have rustup; then check "rustup's rustc is the overlay's" is_the_overlay_s rustup run "$RUST_SYSROOT" rustc; fi
    check "fat LTO, opt-level s, panic abort link" in_crate cargo build --quiet --profile image --target "$BARE_TARGET"
    check "clippy finds the lint" refuses 'clippy::eq_op' in_crate cargo clippy --target "$BARE_TARGET"
    check "rustfmt accepts formatted code" in_crate cargo fmt --check
    sed 's/let same = n;/let same=n;/' "$PLACE/crate/main.rs" >"$PLACE/crate/unformatted.rs"
    check "rustfmt refuses other code" refuses 'let same = n' in_crate rustfmt --edition 2024 --check unformatted.rs
    check "rustdoc documents" in_crate cargo doc --quiet --target "$BARE_TARGET"
    check "the tool builds" build_tool
    check "the target images build" build_images
    drop_lock
    check "no path through EL2 and no figure is above its bound" judges bench
    check "no stack overflows, nothing panics, and every loop is bounded" judges test --only stack --only paths
    printf 'distro: %d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0 && passed > 0))
}

locate
main_test
