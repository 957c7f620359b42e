# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The fakes' bodies expand when they run; the script reads what is set for it; run.sh runs cases with set -e.
# shellcheck disable=SC2016,SC2034,SC2164
# Whole starts: what is called, what is said, what the tool is given.

ready() {
    add_rust 1.95.0
    add_target
    touch "$M/sysroot/bin/cargo-clippy" "$M/sysroot/bin/cargo-fmt"
    chmod +x "$M"/sysroot/bin/*
    add_host
}

case_help_and_version_need_nothing() {
    bulkhead | grep -q 'usage: ./bulkhead VERB'
    bulkhead --help | grep -q doctor
    bulkhead run --help | grep -q 'usage: ./bulkhead VERB'
    bulkhead --version | grep -q '^bulkhead 3.2.1 (git '
    [[ ! -e $HOME/.cache ]]
}

case_help_and_version_come_from_the_tool_once_it_is_built() {
    ready
    bulkhead check a.yaml
    forbid cargo rustc
    same '<--help>' "$(bulkhead | head -n 1)"
    same '<run><--help>' "$(bulkhead run --help | head -n 1)"
    same '<--version>' "$(bulkhead --version | head -n 1)"
    not_called cargo.*97
}

case_the_tool_is_given_the_arguments_and_the_places() {
    ready
    mkdir 'some where'
    ln -s "$M/re po/bulkhead" "$M/a link"
    cd 'some where'
    "$M/a link" run 'a b.yaml' '' --for 60s -- --verbose >"$M/out"
    same "<run><a b.yaml><><--for><60s><--><--verbose>
root=$M/re po
images=$M/re po/target/images
guest=$HOME/.cache/bulkhead/guest
qemu=$M/bin/qemu-system-aarch64
later=
cache=$HOME/.cache/bulkhead
verbose=
cwd=$M/some where" "$(cat "$M/out")"
}

case_other_folders_can_be_named() {
    ready
    BULKHEAD_CACHE=cache CARGO_TARGET_DIR=built bulkhead check x >"$M/out"
    grep -qx "images=$M/built/images" "$M/out"
    grep -qx "cache=$M/cache" "$M/out"
    [[ ! -e $HOME/.cache && ! -e "$M/re po/target" ]]
}

case_the_tool_s_status_is_the_command_s() {
    ready
    local status=0
    FAKE_STATUS=1 bulkhead check x || status=$?
    same 1 "$status"
}

case_a_second_start_says_and_fetches_nothing() {
    ready
    bulkhead test 2>"$M/first"
    grep -q 'building the tool (once' "$M/first"
    : >"$LOG"
    bulkhead test >"$M/out" 2>"$M/err"
    same '' "$(cat "$M/err")"
    called 'cargo build --quiet --release --locked'
    not_called apt
    not_called rustup
    not_called sudo
}

case_a_newer_source_is_announced() {
    ready
    bulkhead check x
    touch -d '+1 minute' "$M/re po/main source.rs"
    bulkhead check x 2>"$M/err"
    grep -q 'building the tool' "$M/err"
}

case_verbose_shows_what_is_run() {
    ready
    bulkhead check x
    bulkhead check --verbose x >"$M/out" 2>"$M/err"
    grep -qx '<check><x>' "$M/out"
    grep -qx 'verbose=1' "$M/out"
    grep -q 'cargo build --release --locked -p bulkhead-tool' "$M/err"
}

case_an_installed_tool_needs_no_rust() {
    ready
    bulkhead check x
    rm "$M/bin/cargo" "$M/bin/rustc" "$M/bin/cc"
    : >"$LOG"
    bulkhead build a -o b 2>"$M/err" | grep -qx '<build><a><-o><b>'
    same '' "$(cat "$M/err")"
    not_called 'tool images'
}

case_a_failed_build_is_status_2_with_a_way_out() {
    ready
    fake cargo <<<'echo "error: no network" >&2; exit 101'
    expect_error 2 'cargo fetch --locked' bulkhead check x
}

case_images_that_are_not_complete_are_refused() {
    ready
    printf '#!/bin/bash\n' >"$M/tool"
    expect_error 2 'the target images are not complete' bulkhead check x
}

case_a_missing_linker_is_installed() {
    ready
    rm "$M/bin/cc"
    fake sudo <<<'[[ $1 != -n ]] || shift; "$@"'
    fake apt-get <<<''
    bulkhead check x 2>"$M/err"
    grep -q 'installing gcc libc6-dev' "$M/err"
    called 'apt-get .*install gcc libc6-dev'
}

case_a_package_that_cannot_be_had_is_named() {
    ready
    rm "$M/bin/cc"
    fake sudo <<<'[[ $1 != -n ]] || shift; "$@"'
    fake apt-get <<<'echo "E: no network" >&2; exit 100'
    expect_error 2 'by hand: sudo apt-get update && sudo apt-get install' bulkhead check x
    same 1 "$(grep -c '^error:.* \[E: no network\]$' "$M/err")"
    same 1 "$(grep -vc '^bulkhead:' "$M/err")"
}

case_an_old_qemu_is_not_used() {
    ready
    add_qemu 7.2.15
    rm "$M/bin/apt-get"
    expect_error 2 'QEMU 9.2 or later is missing' bulkhead run
    BULKHEAD_QEMU="$M/bin/qemu-system-aarch64" expect_error 2 'is not a QEMU of version 9.2 or later' bulkhead run
    bulkhead check x
}

case_qemu_comes_from_debian_s_backports() {
    ready
    add_debian
    add_qemu 7.2.15
    declare -f add_qemu fake >"$M/functions"
    fake sudo <<<'[[ $1 != -n ]] || shift; "$@"'
    fake apt-cache <<<'printf "  Candidate: 1:7.2+dfsg-7\n"'
    fake apt-get <<'END'
case $* in
    *"-t bookworm-backports install qemu-system-arm")
        for option in "$@"; do
            case $option in -oDir::Etc::sourcelist=*) cat "${option#*=}" ;; esac
        done >"$M/used.list"
        source "$M/functions"; add_qemu 10.0.2 ;;
esac
END
    qemu() { load; setup_qemu; echo "$QEMU_VERSION"; }
    same 10.0.2 "$(qemu)"
    grep -q 'http://mirror.example/debian bookworm-backports main' "$M/used.list"
    same '' "$(find "$HOME/.cache/bulkhead" -name 'tmp.*')"
}

case_builds_of_one_clone_take_turns() {
    ready
    local i
    for i in 1 2 3; do bulkhead check x >"$M/out$i" 2>&1 & done
    wait
    for i in 1 2 3; do grep -qx '<check><x>' "$M/out$i"; done
    same 'begin end begin end begin end ' "$(tr '\n' ' ' <"$M/builds")"
}

# Holds a lock as another start does, and keeps it until release.
hold() { # FILE
    mkdir -p "${1%/*}"
    echo 'process 1 in elsewhere is there to do something' >"$1"
    exec 7<>"$1"
    flock 7
}
release() { exec 7>&-; }

# Waits until a file has a line with TEXT.
appears() { # FILE TEXT
    local tries=200
    until grep -qF -- "$2" "$1"; do
        ((tries--)) || { echo "never said: $2"; cat "$1"; return 1; }
        sleep 0.05
    done
}

# Verifies: BH-RUN-004.
case_who_has_all_waits_for_no_set_up() {
    ready
    hold "$HOME/.cache/bulkhead/lock"
    bulkhead run >"$M/out" 2>"$M/err" 7>&-
    grep -qx '<run>' "$M/out"
    if grep waiting "$M/err"; then return 1; fi
}

# Verifies: BH-RUN-004.
case_a_start_that_waits_says_for_what() {
    ready
    local lock start
    for lock in "$HOME/.cache/bulkhead/lock" "$M/re po/target/.bulkhead-lock"; do
        forget
        hold "$lock"
        bulkhead run >"$M/out" 2>"$M/err" 7>&- &
        start=$!
        appears "$M/err" 'until another start is done: process 1 in elsewhere is there to do something'
        same '' "$(cat "$M/out")"
        release
        wait "$start"
        grep -qx '<run>' "$M/out"
    done
    grep -q 'waiting to build until' "$M/err"
}

# Makes the next start set up rustup's target again.
forget() {
    rm -r "$M/sysroot/lib"
    declare -f add_target >"$M/add_target"
    fake rustup <<<'source "$M/add_target"; add_target'
    : >"$M/out"
    : >"$M/err"
}

# Verifies: BH-RUN-004.
case_what_another_start_set_up_meanwhile_is_not_set_up_again() {
    ready
    forget
    hold "$HOME/.cache/bulkhead/lock"
    bulkhead run >"$M/out" 2>"$M/err" 7>&- &
    local start=$!
    appears "$M/err" "waiting to add Rust's target until another start is done"
    add_target
    release
    wait "$start"
    grep -qx '<run>' "$M/out"
    not_called rustup
}

# Verifies: BH-RUN-003.
case_doctor_tells_and_changes_nothing() {
    add_rust 1.95.0
    add_host
    expect_error 1 '' bulkhead doctor
    grep -q '^missing  rust .*rustup target add aarch64-unknown-none-softfloat$' "$M/out"
    grep -q '^ok       qemu     10.0.2' "$M/out"
    grep -q '^missing  tool' "$M/out"
    [[ ! -e $HOME/.cache ]]
    not_called apt
    not_called 'rustup '
}

case_doctor_is_content_after_a_start() {
    ready
    bulkhead run
    : >"$LOG"
    bulkhead doctor >"$M/out"
    grep -q 'the network is not needed' "$M/out"
    bulkhead doctor --format json | grep -q '^{"ok":true,"version":"3.2.1",.*{"name":"rust","ok":true,'
    same "$(bulkhead doctor --format json)" "$(bulkhead --json doctor 2>/dev/null || bulkhead doctor --json)"
    not_called cargo
    rm "$M/bin/dtc"
    bulkhead doctor | grep -qx 'all is there for all but ./bulkhead test; the network is not needed'
    expect_error 2 'doctor: unknown argument --fix' bulkhead doctor --fix
}
