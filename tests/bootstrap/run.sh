#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Tests ./bulkhead without the network, a compiler or a package manager: each command it could call is a fake
# that writes down how it was called. Each case has a copy of the script and a machine of its own.
set -u
HERE=$(dirname -- "$(readlink -f -- "$0")")
export REPOSITORY="$HERE/../.."
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
unset "${!BULKHEAD_@}" CARGO_TARGET_DIR CARGO_HOME RUSTUP_TOOLCHAIN XDG_CACHE_HOME
for file in machine pure routes starts guests; do
    # shellcheck source=/dev/null
    source "$HERE/$file.sh"
done

passed=0 failed=0
for name in $(compgen -A function case_); do
    (
        set -e
        new_machine "$name"
        "$name"
    ) >"$WORK/$name.log" 2>&1
    status=$?
    if ((status == 0)); then
        passed=$((passed + 1))
        printf 'ok      %s\n' "${name#case_}"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "${name#case_}"
        sed 's/^/        /' "$WORK/$name.log"
    fi
done
printf 'bootstrap: %d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
