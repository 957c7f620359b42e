# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# Messages, temporary files, locks, and where things are.

BARE_TARGET=aarch64-unknown-none-softfloat

if [[ -t 2 ]]; then
    BOLD=$'\e[1m' RED=$'\e[1;31m' OFF=$'\e[0m'
else
    BOLD='' RED='' OFF=''
fi

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%sbulkhead:%s %s\n' "$BOLD" "$OFF" "$*" >&2; }

note() { if [[ -n ${BULKHEAD_VERBOSE:-} ]]; then say "$@"; fi; }

# Ends with status 2: the tool could not do it. Implements: BH-RUN-002. One line, with the words of the command that failed quietly.
CAUSE=
die() {
    printf '%serror:%s %s%s\n' "$RED" "$OFF" "$*" "${CAUSE:+ [$CAUSE]}" >&2
    exit 2
}

# Is version $1 at least version $2?
version_ge() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; }

# A field of the machine's os-release file.
OS_RELEASE=/etc/os-release
os_field() ( # NAME
    unset "$1"
    # shellcheck source=/dev/null
    if [[ -r $OS_RELEASE ]]; then . "$OS_RELEASE"; fi
    printf '%s' "${!1:-}"
)

# Sets the paths that everything else uses. Needs nothing and changes nothing.
locate() {
    local home=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    CACHE=${BULKHEAD_CACHE:-${home:+$home/bulkhead}}
    [[ -n $CACHE ]] || die "no place for the cache: set BULKHEAD_CACHE or HOME to a folder that can be written"
    CACHE=$(realpath -m -- "$CACHE")
    # An SDK has its own.
    [[ -e $ROOT/Cargo.toml ]] || CARGO_TARGET_DIR=$ROOT/target
    CARGO_TARGET_DIR=$(realpath -m -- "${CARGO_TARGET_DIR:-$ROOT/target}")
    TOOL=$CARGO_TARGET_DIR/release/bulkhead-tool
    export CARGO_TARGET_DIR
    export BULKHEAD_ROOT=$ROOT BULKHEAD_CACHE=$CACHE
    export BULKHEAD_IMAGES=$CARGO_TARGET_DIR/images BULKHEAD_GUEST=$CACHE/guest
    BULKHEAD_GIT=$(git -C "$ROOT" describe --always --dirty --tags 2>/dev/null || printf unknown)
    export BULKHEAD_GIT
}

# A value of the workspace manifest, such as rust-version.
manifest() { [[ ! -e $ROOT/Cargo.toml ]] || sed -n "s/^$1 *= *\"\([^\"]*\)\".*/\1/p" "$ROOT/Cargo.toml" | head -n 1; }
tool_version() { manifest version; }
minimum_rust() { manifest rust-version; }

# The lock that this start holds, if any: one at a time. Its file says who holds it and why. Children do not
# inherit it (quietly and shown close it), so that nothing left in the background can hold it.
LOCK=
take_lock() { # FILE WHAT
    local holder=
    if [[ -z $LOCK ]]; then
        exec 9<>"$1"
        if ! flock -n 9; then
            read -r holder <"$1" || :
            say "waiting to $2 until another start is done: ${holder:-it did not say why}"
            flock 9
        fi
        LOCK=$1
    fi
    printf 'process %s in %s is there to %s\n' "$$" "$ROOT" "$2" >"$LOCK"
}

# Ends what take_lock began, also before this process becomes the tool, which would not run the trap.
drop_lock() {
    [[ -n $LOCK ]] || return 0
    clean_up
    LOCK=
    exec 9>&-
}

# Is something not there yet, as CHECK tells? Then this start has the lock on the cache, which many clones share:
# who sets up is alone, who has all waits for nobody. CHECK is asked again after the wait: another start may have
# done the same meanwhile. Implements: BH-RUN-004.
missing() { # WHAT CHECK...
    local what=$1
    shift
    if "$@"; then return 1; fi
    { mkdir -p "$CACHE" && [[ -w $CACHE ]]; } 2>/dev/null || die "cannot write the cache $CACHE: set BULKHEAD_CACHE to another folder"
    take_lock "$CACHE/lock" "$what"
    ! "$@"
}

# A folder in the cache, under its lock, for what is renamed into place when it is complete and removed otherwise.
# Others are what a killed start left.
TEMPORARY=()
temporary() { # sets REPLY
    ((${#TEMPORARY[@]})) || rm -rf "$CACHE"/tmp.*
    REPLY=$(mktemp -d "$CACHE/tmp.XXXXXXXX")
    TEMPORARY+=("$REPLY")
}
clean_up() {
    if ((${#TEMPORARY[@]})); then rm -rf -- "${TEMPORARY[@]}"; fi
    TEMPORARY=()
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command with its output on stderr.
shown() {
    note "$(printf '%q ' "$@")"
    "$@" >&2 9>&-
}

# Runs a command whose output is of interest only with --verbose. When it fails, CAUSE is the line that says why.
quietly() {
    CAUSE=
    if [[ -n ${BULKHEAD_VERBOSE:-} ]]; then
        shown "$@"
        return
    fi
    local output status=0
    output=$("$@" 2>&1 9>&-) || status=$?
    if ((status)); then
        CAUSE=$(grep -iE -m 1 '^(E:|error)' <<<"$output" || tail -n 1 <<<"$output")
    fi
    return "$status"
}
