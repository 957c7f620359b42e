# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The fakes' bodies expand when they run; the script reads what is set for it; run.sh runs cases with set -e.
# shellcheck disable=SC2016,SC2034,SC2164
# A pretended machine for one case: a PATH with the ordinary programs and fakes for the rest.

ORDINARY=(awk bash cat chmod cksum cp cut dirname dpkg dpkg-deb env find flock git grep head ln ls mkdir mktemp mv
    readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat tail tar timeout touch tr true)

# Sets M, the machine's folder, and the environment of a user on it. Folder names have spaces on purpose.
new_machine() { # NAME
    local program
    M="$WORK/$1 machine"
    mkdir -p "$M/bin" "$M/home" "$M/re po/.bulkhead" "$M/sysroot/bin" "$M/distro"
    for program in "${ORDINARY[@]}"; do ln -s "$(command -v "$program")" "$M/bin/$program"; done
    cp "$REPOSITORY/bulkhead" "$M/re po/"
    cp "$REPOSITORY"/.bulkhead/*.sh "$M/re po/.bulkhead/"
    printf '[workspace.package]\nversion = "3.2.1"\nrust-version = "1.95"\n' >"$M/re po/Cargo.toml"
    export PATH="$M/bin" HOME="$M/home" M
    LOG="$M/log"
    : >"$LOG"
    export LOG
    cd "$M"
}

# A fake program; its body comes on stdin. Each call is written down as "NAME ARGUMENTS".
fake() { # NAME
    rm -f "$M/bin/$1"
    # shellcheck disable=SC2016
    { printf '#!/bin/bash\nprintf "%s %%s\\n" "$*" >>"$LOG"\n' "$1"; cat; } >"$M/bin/$1"
    chmod +x "$M/bin/$1"
}

# Fakes that must not be called: they fail, and the log shows it.
forbid() { # NAME...
    local name
    for name in "$@"; do fake "$name" <<<'echo "called: $0 $*" >&2; exit 97'; done
}

add_target() { mkdir -p "$M/sysroot/lib/rustlib/aarch64-unknown-none-softfloat/lib" && touch "$M/sysroot/lib/rustlib/aarch64-unknown-none-softfloat/lib/libcore-0.rlib"; }

# A Rust without the target, and a cargo that "builds" the tool of tool.sh.
add_rust() { # VERSION
    fake rustc <<END
case "\$*" in
    '--print sysroot') echo "\$M/sysroot" ;;
    --version) echo 'rustc $1 (0123456789 2026-01-01)' ;;
    *) exit 96 ;;
esac
END
    cp "$HERE/tool.sh" "$M/tool"
    fake cargo <<'END'
[[ $* == build*"--release --locked -p bulkhead-tool" ]] || exit 95
[[ $PWD == "$M/re po" ]] || exit 94
echo begin >>"$M/builds"
tool=$CARGO_TARGET_DIR/release/bulkhead-tool
if [[ ! -e $tool ]]; then
    sleep 0.3
    mkdir -p "${tool%/*}"
    touch "$M/re po/main source.rs"
    printf '%s: %s\n' "${tool// /\\ }" "${M// /\\ }/re\\ po/main\\ source.rs" >"$tool.d"
    cp "$M/tool" "$tool"
    chmod +x "$tool"
fi
echo end >>"$M/builds"
END
}

# All that a start needs beside Rust.
add_host() {
    fake cc <<<''
    fake c++ <<<''
    fake dtc <<<''
    fake mkimage <<<''
    fake openssl <<<''
    fake python3 <<<''
    fake shellcheck <<<''
    fake gdb-multiarch <<<''
    add_qemu 10.0.2
    forbid apt-get apt-cache sudo rustup
}

add_qemu() { # VERSION
    fake qemu-system-aarch64 <<<"echo 'QEMU emulator version $1 (Debian 1:$1+ds-2)'"
}

add_debian() {
    mkdir -p "$M/etc/sources.list.d"
    printf 'ID=debian\nVERSION_CODENAME=bookworm\n' >"$M/etc/os-release"
    printf 'deb http://mirror.example/debian bookworm main\n' >"$M/etc/sources.list"
}

bulkhead() { "$M/re po/bulkhead" "$@"; }

# Runs functions of the script in this shell, on this machine and not the real one.
load() {
    # shellcheck source=/dev/null
    source "$M/re po/bulkhead"
    locate
    OS_RELEASE="$M/etc/os-release" APT_ETC="$M/etc" DISTRO_BIN="$M/distro"
}

# Runs a command that must end with STATUS and whose stderr must contain TEXT.
expect_error() { # STATUS TEXT COMMAND...
    local status=0 wanted=$1 text=$2
    shift 2
    ("$@") >"$M/out" 2>"$M/err" || status=$?
    cat "$M/out" "$M/err"
    [[ $status == "$wanted" ]] || { echo "exit status $status, not $wanted"; return 1; }
    [[ -z $text ]] || grep -qF -- "$text" "$M/err" || { echo "stderr lacks: $text"; return 1; }
}

same() { # WANTED GOT
    [[ $1 == "$2" ]] || { printf 'wanted: %s\ngot:    %s\n' "$1" "$2"; return 1; }
}
called() { grep -q -- "^$1" "$LOG" || { echo "not called: $1"; cat "$LOG"; return 1; }; }
not_called() { if grep -- "^$1" "$LOG"; then echo "called: $1"; return 1; fi; }
