#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The fake bulkhead-tool: does what ./bulkhead relies on, shows what it was given.
printf 'tool %s\n' "$*" >>"$LOG"
case ${1:-} in
    images)
        [[ $2 == --build ]] || exit 93
        mkdir -p "$BULKHEAD_IMAGES"
        touch "$BULKHEAD_IMAGES/.complete" ;;
    needs)
        [[ -z ${FAKE_NEEDS_FAIL:-} ]] || exit 1
        printf '%s' "${FAKE_NEEDS:-}" ;;
    *)
        printf '<%s>' "$@"
        printf '\nroot=%s\nimages=%s\nguest=%s\nqemu=%s\nlater=%s\ncache=%s\nverbose=%s\ncwd=%s\n' "$BULKHEAD_ROOT" "$BULKHEAD_IMAGES" \
            "$BULKHEAD_GUEST" "${BULKHEAD_QEMU:-}" "${BULKHEAD_QEMU_LATER:-}" "$BULKHEAD_CACHE" "${BULKHEAD_VERBOSE:-}" "$PWD"
        { : >&9; } 2>/dev/null && echo "the lock is still open"
        exit "${FAKE_STATUS:-0}" ;;
esac
