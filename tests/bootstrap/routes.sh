# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The fakes' bodies expand when they run; the script reads what is set for it; run.sh runs cases with set -e.
# shellcheck disable=SC2016,SC2034,SC2164
# The choice of the toolchain's route.

start_toolchain() {
    load
    setup_toolchain
    printf 'route=%s\n' "$RUST_ROUTE"
}

# A distribution's compiler with its source, whose cargo "builds" the library.
add_distro() { # VERSION
    local tool
    mkdir -p "$M/usr/lib/rustlib/src/rust/library/core"
    for tool in rustdoc cargo-clippy clippy-driver cargo-fmt rustfmt lld; do
        printf '#!/bin/sh\n' >"$M/distro/$tool"
    done
    cat >"$M/distro/rustc" <<END
#!/bin/bash
case "\$*" in
    -vV) printf 'rustc $1 (abc)\ncommit-hash: abc\nhost: x86_64-unknown-linux-gnu\n' ;;
    --version) echo 'rustc $1 (abc)' ;;
    '--print sysroot') echo '$M/usr' ;;
    *) printf '<%s>' "\$@" ;;
esac
END
    cat >"$M/distro/cargo" <<END
#!/bin/bash
echo "distro-cargo \$*" >>'$LOG'
[[ ! -e '$M/break-distro' ]] || exit 1
while [[ \$1 != --target-dir ]]; do shift; done
mkdir -p "\$2/aarch64-unknown-none-softfloat/release/deps"
cd "\$2/aarch64-unknown-none-softfloat/release/deps"
touch lib{core,alloc,compiler_builtins}-1.{rlib,rmeta}
END
    chmod +x "$M"/distro/*
}

case_route_1_a_rust_with_the_target_is_used_as_it_is() {
    add_rust 1.95.0
    add_target
    forbid rustup apt-get apt-cache
    same route=active "$(start_toolchain)"
    not_called rustup
    not_called apt-get
}

case_route_2_rustup_adds_the_target() {
    add_rust 1.95.0
    declare -f add_target >"$M/add_target"
    fake rustup <<<'[[ $* == "target add aarch64-unknown-none-softfloat" && $PWD == "$M/re po" ]] || exit 92; source "$M/add_target"; add_target'
    forbid apt-get apt-cache
    same route=rustup "$(start_toolchain)"
    called 'rustup target add'
}

case_route_2_rustup_without_a_toolchain_installs_one() {
    fake rustup <<<'[[ $* == "toolchain install stable --no-self-update --profile minimal"*"--target aarch64-unknown-none-softfloat" ]] || exit 92; touch "$M/installed"'
    add_rust 1.95.0
    add_target
    fake rustc <<'END'
[[ -e $M/installed ]] || exit 1
case "$*" in '--print sysroot') echo "$M/sysroot" ;; *) echo 'rustc 1.95.0 (a)' ;; esac
END
    forbid apt-get apt-cache
    same route=rustup "$(start_toolchain)"
}

case_route_2_hanging_rustup_is_given_up() {
    add_rust 1.95.0
    add_distro 1.96.0
    fake rustup <<<'sleep 3; touch "$M/not given up"'
    forbid apt-get apt-cache
    limited() { load; NETWORK_LIMIT=0.2s; setup_toolchain; echo "route=$RUST_ROUTE"; }
    same route=distro "$(limited)"
    [[ ! -e "$M/not given up" ]]
}

case_route_3_follows_when_rustup_fails() {
    add_rust 1.95.0
    add_distro 1.96.0
    fake rustup <<<'exit 1'
    forbid apt-get apt-cache
    same route=distro "$(start_toolchain)"
    called 'distro-cargo build'
    not_called apt-get
}

case_route_3_is_built_once_and_wraps_the_compiler() {
    add_distro 1.96.0
    export BULKHEAD_TOOLCHAIN=distro
    same route=distro "$(start_toolchain)"
    same route=distro "$(start_toolchain)"
    same 1 "$(grep -c '^distro-cargo' "$LOG")"
    local overlay
    overlay=$(echo "$HOME"/.cache/bulkhead/toolchain/1.96.0-*)
    same "<--sysroot><$overlay><--crate-name><a b>" "$("$overlay/bin/rustc" --crate-name 'a b')"
    same '<--sysroot><elsewhere>' "$("$overlay/bin/rustc" --sysroot elsewhere)"
    same '<--sysroot=elsewhere>' "$("$overlay/bin/rustc" --sysroot=elsewhere)"
    [[ -e $overlay/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld ]]
}

case_route_3_another_compiler_gets_another_overlay() {
    export BULKHEAD_TOOLCHAIN=distro
    add_distro 1.96.0
    start_toolchain
    add_distro 1.97.0
    start_toolchain
    same 2 "$(grep -c '^distro-cargo' "$LOG")"
}

case_route_3_a_failed_build_leaves_nothing() {
    add_distro 1.96.0
    touch "$M/break-distro"
    export BULKHEAD_TOOLCHAIN=distro
    expect_error 2 'rustup target add aarch64-unknown-none-softfloat' bulkhead_distro
    same '' "$(find "$HOME/.cache/bulkhead" -mindepth 1 -not -name lock)"
}
bulkhead_distro() { start_toolchain; }

case_route_3_installs_the_distribution_s_packages() {
    add_debian
    declare -f add_distro >"$M/add_distro"
    fake apt-cache <<<'[[ $* == "policy rustc-web" ]] && printf "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n"'
    fake apt-get <<<'case $* in *install*) source "$M/add_distro"; add_distro 1.96.0 ;; esac'
    fake sudo <<<'[[ $1 != -n ]] || shift; "$@"'
    BULKHEAD_TOOLCHAIN=distro start_toolchain 2>"$M/err"
    cat "$M/err"
    grep -q 'installing rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld' "$M/err"
    called 'apt-get .*--no-remove install rustc-web cargo-web'
}

case_a_rust_that_is_too_old_is_not_used() {
    add_rust 1.63.0
    add_target
    forbid rustup
    fake apt-get <<<''
    fake apt-cache <<<'printf "  Candidate: 1.63.0\n"'
    expect_error 2 'rustup update stable && rustup target add aarch64-unknown-none-softfloat' start_toolchain
    grep -q 'sudo apt-get install rustc-web' "$M/err"
    same 1 "$(grep -c '^error:' "$M/err")"
}

case_without_apt_and_rustup_both_ways_out_are_named() {
    expect_error 2 'rustup target add' start_toolchain
    grep -q 'sudo apt-get install rustc-web' "$M/err"
}

case_a_forced_route_is_not_left() {
    add_rust 1.95.0
    add_target
    add_distro 1.96.0
    forbid apt-get apt-cache
    BULKHEAD_TOOLCHAIN=rustup expect_error 2 'BULKHEAD_TOOLCHAIN=rustup' start_toolchain
    fake rustup <<<'exit 1'
    same route=rustup "$(BULKHEAD_TOOLCHAIN=rustup start_toolchain)"
    same route=distro "$(BULKHEAD_TOOLCHAIN=distro start_toolchain)"
    BULKHEAD_TOOLCHAIN=own expect_error 2 'is not a route: rustup or distro' start_toolchain
}
