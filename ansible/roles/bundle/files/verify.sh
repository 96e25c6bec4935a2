#!/bin/sh
# Says whether a bundle is what was signed: sh verify.sh BUNDLE ALLOWED_SIGNERS
# ALLOWED_SIGNERS names the keys that may sign; it, and this file, must come to you on another way
# than the bundle. Needs sh, ssh-keygen and coreutils. Exit status 0: not a byte changed, no file
# more, none less. 1: refused. 2: called wrongly.
set -eu
LC_ALL=C
export LC_ALL

refuse() {
    printf 'REFUSED: %s: %s\n' "$bundle" "$1" >&2
    exit 1
}
# The first three lines of a file with names that anybody may have chosen: nothing but ASCII's
# visible characters reaches the terminal.
shown() {
    head -n 3 "$1" | tr -c '[:print:]\n' '?'
}

if [ $# -ne 2 ] || [ ! -d "$1" ] || [ ! -f "$2" ]; then
    echo "usage: sh verify.sh BUNDLE ALLOWED_SIGNERS" >&2
    exit 2
fi
bundle=$1
signers=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
cd "$bundle"

for each in SHA256SUMS SHA256SUMS.sig; do
    if [ ! -f "$each" ] || [ -h "$each" ]; then refuse "there is no $each"; fi
done
# What is verified is what is used: a copy that nobody else can write.
cp SHA256SUMS SHA256SUMS.sig "$place/"
ssh-keygen -Y verify -f "$signers" -I stowbay-bundle -n stowbay-bundle \
    -s "$place/SHA256SUMS.sig" <"$place/SHA256SUMS" >/dev/null 2>"$place/why" ||
    refuse "SHA256SUMS isn't signed by a key of $signers ($(shown "$place/why"))"

find . ! -type f ! -type d >"$place/strange"
[ ! -s "$place/strange" ] || refuse "neither file nor folder: $(shown "$place/strange")"
find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | sort >"$place/there"
sed 's/^[0-9a-f]*  /.\//' "$place/SHA256SUMS" | sort >"$place/listed"
comm -13 "$place/listed" "$place/there" >"$place/more"
[ ! -s "$place/more" ] || refuse "files that nobody signed: $(shown "$place/more")"
comm -23 "$place/listed" "$place/there" >"$place/less"
[ ! -s "$place/less" ] || refuse "files are missing: $(shown "$place/less")"
sha256sum --check --strict --quiet "$place/SHA256SUMS" >"$place/changed" 2>/dev/null ||
    refuse "files have changed: $(shown "$place/changed")"
echo "$bundle is what was signed"
