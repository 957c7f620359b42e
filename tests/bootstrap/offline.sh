#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Starts ./bulkhead again in a network namespace that has nothing but a loopback device that is down: once with
# everything there, then with something missing. The network is really cut, nothing is a stand-in.
# Exit 0 passed, 1 failed, 77 skipped because this machine gives no network namespace.
set -euo pipefail
HERE=$(dirname -- "$(readlink -f -- "$0")")
ROOT=$(realpath -- "$HERE/../..")
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
CACHE=${BULKHEAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

if ((EUID == 0)); then CUT=(unshare --net); else CUT=(unshare --map-root-user --net); fi
"${CUT[@]}" true 2>"$WORK/err" || { echo "SKIPPED: no network namespace: $(tail -n 1 "$WORK/err")"; exit 77; }
# A run that hangs is a failure, not a test without end.
offline() { timeout -k 10 600 "${CUT[@]}" "$@"; }

fail() {
    printf 'FAILED  %s\n' "$*"
    sed 's/^/        /' "$WORK/out" "$WORK/err"
    exit 1
}

# Runs a command without the network; its exit status must be WANTED.
expect() { # WANTED COMMAND...
    local wanted=$1 status=0
    shift
    offline "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
    [[ $status == "$wanted" ]] || fail "exit status $status, not $wanted: $*"
}
says() { grep -qE -- "$1" "$WORK/err" || fail "stderr lacks: $1"; }

# What a download or a compiler would change: the cache, the tool, the images, everything that cargo built. Only
# cargo's lists of sources are written anew.
state() {
    find "$CACHE" "$CARGO_TARGET_DIR/images" "$CARGO_TARGET_DIR/release" "$CARGO_TARGET_DIR/aarch64-unknown-none-softfloat" \
        -type f -not -name .cargo-lock -not -name '*.d' -printf '%p %s %T@\n' | sort
}

# Verifies: BH-RUN-001.
a_second_start_downloads_and_compiles_nothing() {
    state >"$WORK/before"
    expect 0 "$ROOT/bulkhead" run --verbose --headless --for 60s --report "$WORK/report.json"
    grep -q '"verdict": "pass"' "$WORK/report.json" || fail "no verdict pass"
    says "^bulkhead: .*cargo build --release --locked -p bulkhead-tool"
    says "^bulkhead: .*bulkhead-tool images --build"
    says "^bulkhead: cargo build .*--target aarch64-unknown-none-softfloat -p bulkhead-qemu-virt"
    says "^bulkhead: guest package linux-image"
    says "^bulkhead: guest package busybox-static"
    # Each call of cargo had nothing to do.
    local calls finished
    calls=$(grep -cE '^bulkhead: .*cargo build' "$WORK/err")
    finished=$(grep -cE '^ *Finished ' "$WORK/err")
    [[ $calls == "$finished" ]] || fail "$calls calls of cargo, $finished finished"
    if grep -E '^ *(Compiling|Downloading|Downloaded|Updating|Locking) ' "$WORK/err"; then fail "cargo had something to do"; fi
    if grep -E '^bulkhead: (installing|adding|building|downloading|reading|refreshing|waiting)' "$WORK/err"; then
        fail "something was set up"
    fi
    state >"$WORK/after"
    diff "$WORK/before" "$WORK/after" >"$WORK/out" || fail "files have changed"
}

# Verifies: BH-RUN-001, BH-RUN-003.
doctor_is_content() {
    expect 0 "$ROOT/bulkhead" doctor
    grep -qx 'all is there; the network is not needed' "$WORK/out" || fail "doctor is not content"
}

# Verifies: BH-RUN-002, BH-RUN-003.
an_empty_cache_is_told_in_one_line() {
    expect 2 env BULKHEAD_CACHE="$WORK/cache" "$ROOT/bulkhead" run --headless --for 60s
    [[ $(grep -c '^error:' "$WORK/err") == 1 ]] || fail "not one line that says what is wrong"
    [[ $(tail -n 1 "$WORK/err") == "error: the guest package linux-image-"*"is missing"*"by hand: "* ]] || fail "that line is not the last"
    if grep -E '^(E|W):' "$WORK/err"; then fail "apt's own errors are shown"; fi
    [[ $(ls -A "$WORK/cache") == lock ]] || { find "$WORK/cache" >"$WORK/out"; fail "something is left in the cache"; }
    expect 1 env BULKHEAD_CACHE="$WORK/cache" "$ROOT/bulkhead" doctor
    grep -qE '^missing  guest linux-image-[a-z0-9-]+ .* -> \./bulkhead build$' "$WORK/out" || fail "doctor does not name the guest"
}

# Verifies: BH-RUN-002.
missing_crates_are_told() {
    expect 2 env CARGO_HOME="$WORK/cargo" CARGO_NET_RETRY=0 CARGO_TARGET_DIR="$WORK/target" "$ROOT/bulkhead" check
    [[ $(tail -n 1 "$WORK/err") == "error: the tool could not be built"*"cargo fetch --locked"* ]] || fail "no way out is named"
    [[ ! -e $WORK/target/release/bulkhead-tool && ! -e $WORK/target/images ]] || fail "something is left"
}

[[ $(offline cat /proc/net/dev | sed -n 's/^ *\([^ ]*\):.*/\1/p') == lo ]] || { echo 'FAILED  the network is not cut'; exit 1; }
for name in a_second_start_downloads_and_compiles_nothing doctor_is_content an_empty_cache_is_told_in_one_line missing_crates_are_told; do
    start=$SECONDS
    "$name"
    printf 'ok      %s (%d s)\n' "$name" $((SECONDS - start))
done
echo 'offline: 4 passed, 0 failed'
