# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The overlay toolchain: the distribution's compiler beside a library for the bare-metal target, built from the
# distribution's own source without the network. A folder that rustup and PATH both accept as a toolchain.

# Named by what its content depends on: the compiler and this recipe.
overlay_folder() {
    local digest
    digest=$({ "$DISTRO_BIN/rustc" -vV; stat -L -c '%Y %s' "$DISTRO_BIN/rustc"; cat "$ROOT/.bulkhead/overlay.sh"; } | sha256sum)
    printf '%s/toolchain/%s-%s' "$CACHE" "$RUST_VERSION" "${digest:0:12}"
}

# Builds core, alloc and compiler_builtins into FOLDER/target.
build_target_library() { # FOLDER
    local library=$DISTRO_SYSROOT/lib/rustlib/src/rust/library commit named
    local -a vendored=()
    commit=$("$DISTRO_BIN/rustc" -vV | sed -n 's/^commit-hash: //p')
    if [[ -d $library/vendor ]]; then
        vendored=(--config 'source.crates-io.replace-with="vendored"' --config "source.vendored.directory='$library/vendor'")
    fi
    mkdir -p "$1/crate"
    printf '#![no_std]\n' >"$1/crate/lib.rs"
    printf '%s\n' '[package]' 'name = "overlay"' 'version = "0.0.0"' 'edition = "2021"' '[lib]' 'path = "lib.rs"' \
        '[profile.release]' 'codegen-units = 1' 'debug = 1' '[workspace]' >"$1/crate/Cargo.toml"
    # Source paths are named as the Rust project's own builds name them, however the compiler came to them.
    named="--remap-path-prefix=$library=/rustc/$commit/library"
    named+=" --remap-path-prefix=$(readlink -f "$library")=/rustc/$commit/library"
    # Bitcode, or fat LTO could not read the library.
    quietly env -i -C "$1/crate" PATH="$DISTRO_BIN:/usr/bin:/bin" HOME="$1" CARGO_HOME="$1/cargo" CARGO_NET_OFFLINE=true \
        RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cembed-bitcode=yes $named" \
        "$DISTRO_BIN/cargo" build --release --target "$BARE_TARGET" --target-dir "$1/target" "${vendored[@]}" \
        -Zbuild-std=core,alloc,compiler_builtins -Zbuild-std-features=compiler-builtins-mem
}

# A text as one word of a shell script.
quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# A wrapper in FOLDER/bin; the script's text comes on stdin.
wrapper() { # FOLDER NAME
    { printf '#!/bin/sh\n'; cat; } >"$1/bin/$2"
    chmod +x "$1/bin/$2"
}

build_overlay() { # DESTINATION
    local work tree host name real sysroot
    say "building core and alloc for $BARE_TARGET from the distribution's source (once; about half a minute)"
    temporary && work=$REPLY
    build_target_library "$work" || return 1
    host=$("$DISTRO_BIN/rustc" -vV | sed -n 's/^host: //p')
    tree=$work/overlay
    sysroot=$(quoted "$1")
    mkdir -p "$tree/bin" "$tree/lib/rustlib/$host/bin" "$tree/lib/rustlib/$BARE_TARGET/lib"
    cp "$work/target/$BARE_TARGET/release/deps"/lib{core,alloc,compiler_builtins}-*.{rlib,rmeta} "$tree/lib/rustlib/$BARE_TARGET/lib/"
    ln -s "$DISTRO_SYSROOT/lib/rustlib/$host/lib" "$tree/lib/rustlib/$host/lib"
    ln -s "$DISTRO_SYSROOT/lib/rustlib/src" "$tree/lib/rustlib/src"
    # rustc asks for the linker under this name and in this place.
    ln -s "$(readlink -f "$DISTRO_BIN/lld")" "$tree/lib/rustlib/$host/bin/rust-lld"
    for name in cargo clippy-driver cargo-fmt rustfmt; do ln -s "$DISTRO_BIN/$name" "$tree/bin/$name"; done
    # Through a link the compiler would take the distribution's own sysroot.
    for name in rustc rustdoc; do
        real=$(quoted "$DISTRO_BIN/$name")
        wrapper "$tree" "$name" <<END
for argument; do
    case \$argument in --sysroot | --sysroot=*) exec $real "\$@" ;; esac
done
exec $real --sysroot $sysroot "\$@"
END
    done
    # cargo-clippy takes the driver beside its real path, which knows the sysroot only from here.
    wrapper "$tree" cargo-clippy <<END
SYSROOT=$sysroot exec $(quoted "$DISTRO_BIN/cargo-clippy") "\$@"
END
    mkdir -p "${1%/*}"
    rm -rf "$1"
    mv -T "$tree" "$1"
}
