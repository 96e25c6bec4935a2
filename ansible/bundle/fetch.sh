#!/bin/bash
# Runs inside an unbooted Debian 13; apt checks Debian's signatures. In /run/out:
#   fetch.sh packages   what /run/packages.txt asks for, as on a host that has nothing yet;
#                       writes packages (files), packages-known (package, version, architecture,
#                       SHA-256) and sources-known (name=version)
#   fetch.sh sources    those source packages that sources-wanted names and the mirror has
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
cd /run/out

packages() {
    apt-get update -q
    : >/run/status
    mkdir -p /run/none/partial
    local options=(-q -y --no-install-recommends -o Dir::State::status=/run/status)
    options+=(-o APT::Architecture=amd64)
    # shellcheck disable=SC2046
    set -- $(sed 's/#.*//' /run/packages.txt)
    # With an empty cache: what is kept already would not be named.
    apt-get install "${options[@]}" -o Dir::Cache::archives=/run/none --print-uris "$@" |
        sed -n "s/^'[^']*' \([^ ]*\) .*/\1/p" | sort >packages
    apt-get install "${options[@]}" --download-only "$@"
    index Packages |
        awk '/^Package: / { name = $2 } /^Version: / { version = $2 } /^Architecture: / { kind = $2 }
            /^SHA256: / { print name, version, kind, $2 }' >packages-known
    index Sources |
        awk '/^Package: / { name = $2 } /^Version: / { version = $2 }
            /^$/ { print name "=" version } END { print name "=" version }' | sort -u >sources-known
}

# An index as Debian signed it.
index() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(FILENAME)' "Identifier: $1" |
        xargs --no-run-if-empty /usr/lib/apt/apt-helper cat-file
}

sources() {
    mkdir -p sources
    cd sources
    # A mirror may lack one: whoever reads what came sees it.
    xargs --arg-file=../sources-wanted --no-run-if-empty --max-args=50 \
        apt-get source -q --download-only --only-source || echo "not all sources came"
}

"$1"
