#!/bin/sh
# describe.sh DIR VERSION PREFIX LIBDIR INCLUDEDIR: writes the pkg-config and CMake descriptions into DIR.
set -eu
dir=$1 version=$2 prefix=$3 libdir=$4 includedir=$5
here=$(dirname "$0")

# What the static archive needs beside it is the compiler's to say: it changes with Rust's versions.
: >"$dir/empty.rs"
natives=$(rustc --crate-type staticlib --print native-static-libs -o "$dir/empty.a" "$dir/empty.rs" 2>&1 |
    sed -n 's/^note: native-static-libs: //p')
rm -f "$dir/empty.rs" "$dir/empty.a"
if [ -z "$natives" ]; then
    echo "describe.sh: rustc did not say which system libraries a static archive needs." >&2
    exit 1
fi

from_cmake() { realpath --canonicalize-missing --relative-to="$libdir/cmake/firehose" "$1"; }
for name in firehose.pc firehose-config.cmake firehose-config-version.cmake; do
    sed -e "s|@VERSION@|$version|g" -e "s|@MAJOR@|${version%%.*}|g" -e "s|@PREFIX@|$prefix|g" \
        -e "s|@LIBDIR@|$libdir|g" -e "s|@INCLUDEDIR@|$includedir|g" -e "s|@NATIVES@|$natives|g" \
        -e "s|@LIBDIR_FROM_HERE@|$(from_cmake "$libdir")|g" \
        -e "s|@INCLUDEDIR_FROM_HERE@|$(from_cmake "$includedir")|g" \
        "$here/$name.in" >"$dir/$name"
done
