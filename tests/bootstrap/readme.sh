#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Runs every command that stands in a block of README.md, in an empty folder with the README's own spec, and compares
# what happens with the comment behind it. A command that this test does not know is a failure.
set -euo pipefail
ROOT=$(realpath -- "$(dirname -- "$(readlink -f -- "$0")")/../..")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
# A run that hangs is a failure, not a test without end.
LIMIT=(timeout -k 10 600)

# The lines of README's blocks in a language, or in none.
blocks() { # LANGUAGE
    awk -v wanted="\`\`\`$1" '/^```/ { inside = !open && $0 == wanted; open = !open; next } inside' "$ROOT/README.md"
}

fail() {
    printf 'FAILED  %s\n' "$*"
    tail -n 40 "$WORK/out" "$WORK/err" | sed 's/^/        /'
    exit 1
}

# Runs a command that ends by itself, with exit status WANTED.
ends_with() { # WANTED COMMAND
    local status=0
    "${LIMIT[@]}" bash -c "$2" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
    [[ $status == "$1" ]] || fail "exit status $status, not $1: $2"
}

# Runs a command that goes on until Ctrl-C: it must show all texts and then pass.
shows() { # COMMAND TEXT...
    local command=$1 run text status=0
    # With a terminal's job control a job in the background may be interrupted.
    set -m
    "${LIMIT[@]}" bash -c "exec $command" >"$WORK/out" 2>"$WORK/err" </dev/null &
    run=$!
    set +m
    shift
    for text in "$@"; do
        until grep -qE -- "$text" "$WORK/out"; do
            kill -0 "$run" 2>/dev/null || fail "it ended before it showed '$text': $command"
            sleep 0.2
        done
    done
    kill -INT "$run"
    wait "$run" || status=$?
    [[ $status == 0 ]] || fail "exit status $status after Ctrl-C: $command"
    grep -qx 'verdict: pass' "$WORK/err" || fail "no verdict: $command"
}

reports() { # TEXT
    grep -qF -- "$1" r.json || fail "the report lacks $1"
}

# Runs a command whose comment says how it ends; "the same": as the one before.
PROMISE=
keeps_its_promise() { # COMMAND COMMENT
    [[ $2 == 'the same' ]] || PROMISE=$2
    rm -f r.json
    case $PROMISE in
        pass)
            ends_with 0 "$1"
            reports '"verdict": "pass"' ;;
        'CRASHED, fail, exit 1')
            ends_with 1 "$1"
            reports '"verdict": "fail"'
            reports CRASHED ;;
        *) fail "a comment that promises nothing known: $2" ;;
    esac
}

# Tries a command; fails with status 3 when another test does so.
try() { # COMMAND COMMENT
    case $1 in
        './bulkhead run') shows "$1" 'vehicle │ .*scenario 3: STOPPED' 'infotainment │ .*: ready' 'infotainment │ .* km/h, ' 'cluster │ .* km/h, ' ;;
        './bulkhead run first.yaml') shows "$1" 'cluster │ .*cluster' ;;
        './bulkhead run --headless '*) keeps_its_promise "$1" "$2" ;;
        './bulkhead build first.yaml -o out')
            ends_with 0 "$1"
            [[ -s out/image.bin && -s out/grants.txt && -s out/dt/cluster.dtb && -s out/certificate.json ]] || fail "something is not written" ;;
        './bulkhead check first.yaml' | './bulkhead prove out' | './bulkhead rules' | './bulkhead doctor' | './bulkhead --help')
            ends_with 0 "$1" ;;
        './bulkhead run --boot u-boot '* | './bulkhead run --board '*) keeps_its_promise "$1" "$2" ;;
        './bulkhead sdk -o bulkhead-sdk')
            ends_with 0 "$1"
            [[ -x bulkhead-sdk/bulkhead && -s bulkhead-sdk/include/bulkhead.h ]] || fail "no SDK is written" ;;
        './bulkhead flash qemu-virt --to disk.img'*)
            ends_with 0 "$1"
            [[ -s disk.img ]] || fail "no medium is written" ;;
        './bulkhead flash imx8mp-evk '*)
            # Any bytes stand for the vendor's file, which is not shipped.
            head -c 100000 /dev/urandom >flash.bin
            ends_with 0 "$1"
            [[ $1 == *--dry-run ]] || cmp -s -n 100000 -i 0:32768 flash.bin card.img || fail "the medium lacks the boot image" ;;
        './bulkhead board from-dtb '*)
            "${BULKHEAD_QEMU:-qemu-system-aarch64}" -M virt,virtualization=on,gic-version=3,dumpdtb=vendor.dtb -nic none \
                -display none >"$WORK/out" 2>"$WORK/err" || fail "no device tree"
            ends_with 0 "$1"
            grep -qx 'name: my-board' my-board.yaml || fail "no draft is written" ;;
        './bulkhead explain'* | './bulkhead graph -o system.svg' | './bulkhead diff out first.yaml') ends_with 0 "$1" ;;
        './bulkhead test' | './bulkhead run --console infotainment') return 3 ;;
        *) fail "nobody tries: $1" ;;
    esac
}

mkdir "$WORK/empty"
cd "$WORK/empty"
ln -s "$ROOT/bulkhead" bulkhead
blocks yaml >first.yaml
grep -qx 'name: first' first.yaml || fail "no spec in README"
tried=0
while IFS= read -r -u 3 line; do
    [[ $line == ./bulkhead* ]] || fail "no command of bulkhead: $line"
    [[ $line =~ ^([^#]*[^# ])\ *(#\ *(.*))?$ ]]
    command=${BASH_REMATCH[1]} comment=${BASH_REMATCH[3]}
    start=$SECONDS status=0
    try "$command" "$comment" || status=$?
    if ((status == 3)); then
        printf 'another test: %s\n' "$command"
        continue
    fi
    printf 'ok      %s (%d s)\n' "$command" $((SECONDS - start))
    tried=$((tried + 1))
done 3< <(blocks '')
((tried >= 10)) || fail "only $tried commands were found"
printf 'readme: %d commands tried\n' "$tried"
