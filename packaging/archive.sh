#!/bin/sh
# archive.sh IN OUT: makes of the static archive that rustc wrote one that shows firehose_* alone.
# Rust's own runtime is in every such archive; were its symbols global, two of them would not link together.
set -eu
in=${1:?usage: archive.sh IN OUT}
out=${2:?usage: archive.sh IN OUT}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names=$(nm --defined-only --extern-only --format=posix "$in" 2>/dev/null | awk '$1 ~ /^firehose_/ { print $1 }' | sort -u)
if [ -z "$names" ]; then
    echo "archive.sh: $in defines no firehose_* symbol; build it with 'cargo build --release'." >&2
    exit 1
fi
roots=
for name in $names; do roots="$roots -u $name"; done
# Groups are taken apart here: a COMDAT of the host's own Rust could otherwise replace one of ours.
# shellcheck disable=SC2086 # one word for each symbol
ld -r --force-group-allocation --gc-sections $roots -o "$work/firehose.o" "$in"
# The bitcode of Rust's own library is of no use here, and an older LLVM that the linker loads stumbles over it.
objcopy --wildcard --keep-global-symbol='firehose_*' --strip-unneeded \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$work/firehose.o"
rm -f "$out"
ar rcsD "$out" "$work/firehose.o"
