# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# Guest software: Debian's arm64 packages, unpacked into the cache and never installed.

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the sources list that arm64 packages come from.
guest_sources() {
    if [[ -n ${BULKHEAD_DEBIAN_MIRROR:-} ]]; then
        local key=$DEBIAN_KEYRING
        [[ -r $key ]] || key=-
        apt_line arm64 "$BULKHEAD_DEBIAN_MIRROR" "${BULKHEAD_DEBIAN_RELEASE:-bookworm}" "$key"
    else
        [[ $(os_field ID) == debian ]] && debian_sources "$(os_field VERSION_CODENAME)" arm64
    fi
}

# Prepares private arm64 package lists, once a start, and sets GUEST_APT. They are removed with the lock.
GUEST_APT=()
guest_lists() {
    ((${#GUEST_APT[@]} == 0)) || return 0
    local folder
    temporary && folder=$REPLY
    guest_sources >"$folder/sources.list" ||
        die "no Debian mirror in this machine's apt sources for the arm64 guest packages: set BULKHEAD_DEBIAN_MIRROR to the address of one (and install debian-archive-keyring)"
    : >"$folder/status"
    private_apt "$folder"
    GUEST_APT=("${PRIVATE_APT[@]}" -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 "-oDir::State::status=$folder/status")
    say "reading the arm64 package lists"
    quietly apt-get "${GUEST_APT[@]}" update
}

# A field of the newest record of a package in the arm64 lists; nothing when there is none.
guest_field() { # PACKAGE FIELD
    local record
    record=$(LC_ALL=C apt-cache "${GUEST_APT[@]}" --no-all-versions show "$1" 2>/dev/null) || return 0
    sed -n "s/^$2: //p" <<<"$record" | head -n 1
}

# The package that holds the files: a kernel's meta package leads to the one named by version.
guest_resolve() { # PACKAGE
    local depends
    depends=$(guest_field "$1" Depends)
    if [[ $1 == linux-image-* && $depends =~ (^|[ ,|])(linux-image-[0-9][^ ,\(]*) ]]; then
        printf '%s' "${BASH_REMATCH[2]}"
    else
        printf '%s' "$1"
    fi
}

guest_present() { [[ -f $CACHE/guest/$1/.package ]]; }

# Puts one package's files into $CACHE/guest/PACKAGE with a .package stamp "name version". apt checks the hashes.
fetch_guest() { # PACKAGE
    if ! missing "fetch the guest package $1" guest_present "$1"; then
        note "guest package $(<"$CACHE/guest/$1/.package"), $CACHE/guest/$1"
        return
    fi
    [[ $1 =~ ^[a-z0-9][a-z0-9+.-]+$ ]] || die "not a Debian package name: $1"
    local by_hand="by hand: get Debian's arm64 package, unpack it by dpkg -x FILE $CACHE/guest/$1, write its name and version into $CACHE/guest/$1/.package"
    { have apt-get && have dpkg; } || die "the guest package $1 is missing and this machine has no apt-get; $by_hand"
    guest_lists || die "the guest package $1 is missing and the arm64 package lists cannot be had; start once with the network on, or $by_hand"
    local name version folder
    name=$(guest_resolve "$1")
    version=$(guest_field "$name" Version)
    [[ -n $version ]] || die "Debian $(os_field VERSION_CODENAME) has no arm64 package $1: name another one in the spec"
    say "downloading $name $version (arm64, into the cache, not installed)"
    temporary && folder=$REPLY
    quietly env -C "$folder" apt-get "${GUEST_APT[@]}" download "$name=$version" ||
        die "could not download $name; start again with the network on, or $by_hand"
    mkdir "$folder/tree"
    quietly dpkg -x "$folder"/*.deb "$folder/tree" || die "could not unpack $name into $CACHE/guest"
    printf '%s %s\n' "$name" "$version" >"$folder/tree/.package"
    mkdir -p "$CACHE/guest"
    rm -rf "$CACHE/guest/$1"
    mv -T "$folder/tree" "$CACHE/guest/$1"
}

# Fetches what the tool says this command line needs. A command line that the tool refuses is left to the tool
# itself, which says why.
fetch_needs() { # ARGUMENT...
    local needs kind package
    needs=$("$TOOL" needs "$@" 2>/dev/null 9>&-) || return 0
    while read -r -u 3 kind package; do
        case $kind in
            '') ;;
            debian-arm64) fetch_guest "$package" ;;
            qemu) setup_later_qemu "$package" ;;
            *) die "the tool asks for '$kind $package', which this script cannot fetch: are both from the same commit?" ;;
        esac
    done 3<<<"$needs"
}
