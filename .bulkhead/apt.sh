# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# Debian packages: installing, and private package lists that leave the machine's configuration alone.

APT_ETC=/etc/apt
# An update that reaches no mirror is a failure, not a warning.
APT_LIMITS=(-oAPT::Update::Error-Mode=any -oAcquire::Retries=2 -oAcquire::http::Timeout=30 -oAcquire::https::Timeout=30)

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo; then
        if [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        die "root is needed for: $* (no sudo here; run that as root, then start again)"
    fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -oDPkg::Lock::Timeout=300 "${APT_LIMITS[@]}" "$@"; }

# Refreshes the machine's package lists, once a start. A failure is not fatal: the lists may be good enough.
APT_REFRESHED=
apt_refresh() {
    [[ -z $APT_REFRESHED ]] || return 0
    APT_REFRESHED=1
    note "refreshing the package lists"
    quietly apt_get update || say "the package lists could not be refreshed; going on with what there is${CAUSE:+ [$CAUSE]}"
}

# Installs packages of the machine's own release; never removes one. Implements: BH-RUN-005.
apt_install() { # REASON PACKAGE...
    local reason=$1
    shift
    have apt-get || die "missing: $* ($reason); this is not a Debian or Ubuntu machine, install them by hand"
    say "installing $* ($reason)"
    apt_refresh
    quietly apt_get -y --no-install-recommends --no-remove install "$@" ||
        die "could not install $* ($reason); by hand: sudo apt-get update && sudo apt-get install --no-install-recommends $*"
}

# The version that the machine's lists offer, or nothing.
apt_candidate() { # PACKAGE
    have apt-cache || return 0
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vx '(none)' || return 0
}

# Prints the enabled binary sources of the machine, both formats: "URI SUITE KEYRING COMPONENT...", KEYRING "-" if unnamed.
apt_entries() {
    local file
    for file in "$APT_ETC/sources.list" "$APT_ETC"/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        awk '
            { sub(/#.*/, "") }
            $1 != "deb" { next }
            {
                line = $0; sub(/^[ \t]*deb[ \t]+/, "", line); key = "-"
                if (line ~ /^\[/) {
                    options = line; sub(/\].*/, "", options); sub(/^[^]]*\][ \t]*/, "", line)
                    if (match(options, /signed-by=[^] \t]+/)) key = substr(options, RSTART + 10, RLENGTH - 10)
                }
                if (key !~ /^\//) key = "-"
                n = split(line, word, /[ \t]+/)
                if (n < 2 || word[1] ~ /^cdrom:/) next
                printf "%s %s %s", word[1], word[2], key
                for (i = 3; i <= n; i++) if (word[i] != "") printf " %s", word[i]
                printf "\n"
            }' "$file"
    done
    for file in "$APT_ETC"/sources.list.d/*.sources; do
        [[ -r $file ]] || continue
        awk '
            function flush(   i, j, nu, ns, uri, suite, key) {
                if (field["types"] ~ /(^|[ \t])deb([ \t]|$)/ && field["enabled"] !~ /^[ \t]*(no|false|0)[ \t]*$/) {
                    key = field["signed-by"]; gsub(/[ \t]/, "", key)
                    if (key !~ /^\//) key = "-"
                    nu = split(field["uris"], uri, " "); ns = split(field["suites"], suite, " ")
                    for (i = 1; i <= nu; i++) for (j = 1; j <= ns; j++) {
                        line = uri[i] " " suite[j] " " key " " field["components"]
                        gsub(/[ \t]+/, " ", line); sub(/ $/, "", line); print line
                    }
                }
                split("", field); last = ""
            }
            /^#/ { next }
            /^[ \t]*$/ { flush(); next }
            /^[ \t]/ { if (last != "") field[last] = field[last] " " $0; next }
            { colon = index($0, ":"); last = tolower(substr($0, 1, colon - 1)); field[last] = substr($0, colon + 1) }
            END { flush() }' "$file"
    done
}

# One line of a sources file.
apt_line() { # ARCHITECTURE URI SUITE KEYRING
    local key=''
    [[ $4 == - ]] || key=" signed-by=$4"
    printf 'deb [arch=%s%s] %s %s main\n' "$1" "$key" "$2" "$3"
}

# Prints a sources list of the machine's own mirrors for one Debian release; SUITE adds another one of the same mirror.
# Fails when the machine has no source for the release.
debian_sources() { # CODENAME ARCHITECTURE [SUITE]
    local uri suite key components release found=1
    while read -r uri suite key components; do
        [[ " $components " == *" main "* && $suite =~ ^($1|stable|oldstable)(-updates|-security)?$ ]] || continue
        release=$1${BASH_REMATCH[2]}
        apt_line "$2" "$uri" "$release" "$key"
        if [[ $release == "$1" ]]; then
            found=0
            [[ -z ${3:-} ]] || apt_line "$2" "$uri" "$3" "$key"
        fi
    done < <(apt_entries)
    return "$found"
}

# Sets PRIVATE_APT: options that make apt use only FOLDER's sources.list and keep its lists there.
private_apt() { # FOLDER
    mkdir -p "$1/lists/partial"
    PRIVATE_APT=("${APT_LIMITS[@]}"
        "-oDir::Etc::sourcelist=$1/sources.list" -oDir::Etc::sourceparts=/dev/null "-oDir::State::Lists=$1/lists"
        -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache= -oAcquire::Languages=none)
    # The cache may lie below a home folder that apt's own download user cannot enter.
    if ((EUID == 0)); then PRIVATE_APT+=(-oAPT::Sandbox::User=root); fi
}
