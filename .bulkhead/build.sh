# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# Building the host tool and, through it, the images for the target.

# A folder that `sdk` packed has nothing to build.
is_sdk() { [[ ! -e $ROOT/Cargo.toml ]]; }

# A machine that was given the built tool needs no Rust. Implements: BH-SDK-001.
installed_without_rust() {
    if is_sdk; then
        [[ -x $TOOL && -e $BULKHEAD_IMAGES/.complete ]] || die "this SDK is not whole: pack it again"
        return
    fi
    [[ -z ${BULKHEAD_TOOLCHAIN:-} && -x $TOOL && -e $BULKHEAD_IMAGES/.complete ]] && ! have cargo && ! have rustc
}

# The host's linker, which rustc calls as cc.
setup_linker() {
    if missing "install the host's linker" have cc; then apt_install "the host's linker" gcc libc6-dev; fi
}

# Is a source newer than the tool? Only chooses what is shown: cargo itself decides what is built.
tool_is_stale() {
    [[ -x $TOOL && -r $TOOL.d ]] || return 0
    local -a sources=()
    local source
    # Without -r, read undoes the backslashes that cargo puts before spaces in paths.
    # shellcheck disable=SC2162
    IFS=' ' read -a sources <"$TOOL.d" || [[ ${#sources[@]} -gt 0 ]] || return 0
    for source in "${sources[@]:1}"; do
        [[ $source -ot $TOOL ]] || return 0
    done
    return 1
}

# Implements: BH-RUN-001. Everything that cargo makes lies in this clone's own folder, for which only starts of this clone wait.
build() {
    mkdir -p "$CARGO_TARGET_DIR" 2>/dev/null || die "cannot write $CARGO_TARGET_DIR: set CARGO_TARGET_DIR to another folder"
    take_lock "$CARGO_TARGET_DIR/.bulkhead-lock" "build"
    build_tool
    build_images
    drop_lock
}

build_tool() {
    # Settings of the caller's that would move or change what is built here.
    unset CARGO_BUILD_TARGET RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    local -a quiet=()
    if tool_is_stale; then
        say "building the tool (once; a few minutes the first time)"
    elif [[ -z ${BULKHEAD_VERBOSE:-} ]]; then
        quiet=(--quiet)
    fi
    (cd "$ROOT" && shown cargo build "${quiet[@]}" --release --locked -p bulkhead-tool) ||
        die "the tool could not be built (see above); if a download failed: connect once and run 'cargo fetch --locked' in $ROOT"
    [[ -x $TOOL ]] || die "cargo built no $TOOL: is this a whole clone?"
}

build_images() {
    (cd "$ROOT" && shown "$TOOL" images --build) || die "the target images could not be built (see above)"
    [[ -e $BULKHEAD_IMAGES/.complete ]] || die "the target images are not complete: remove $BULKHEAD_IMAGES and start again"
}
