#!/bin/sh
# producer.sh: what a put and a delivered record of the producer cost, as a table. The server is firehose-local, built
# for release, over HTTP; its work is not in the figures.
set -eu
cd "$(dirname "$0")/.."
release=${FIREHOSE_RELEASE:-target/release}
puts=${PUTS:-1000000}
size=${SIZE:-200}
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cargo build --quiet --release --locked -p firehose-local
ln -sf "$(realpath "$release/libfirehose.so")" "$work/libfirehose.so.1"
cc -O2 -Wall -Wextra -Iinclude benches/producer.c -L"$release" -lfirehose -Wl,-rpath,"$work" -pthread -o "$work/producer"
"$release/firehose-local" --stream test --forget >"$work/ready" &
server=$!
until [ -s "$work/ready" ]; do sleep 0.1; done
endpoint=$(sed -n 's/.*"http": *"\([^"]*\)".*/\1/p' "$work/ready")
export AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=AKIDLOCAL AWS_SECRET_ACCESS_KEY=local-secret

echo "$puts records of $size bytes"
echo "| records | threads | CPU of a put, ns | puts/s | CPU of a delivered record, ns | delivered/s | peak, MiB | requests | billed, MB |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
measure() {
    name=$1
    shift
    for threads in 1 8; do
        for round in 1 2 3; do
            rm -rf "$work/spool"
            "$work/producer" "$endpoint" "$threads" "$puts" "$size" "$@"
        done | sort -t: -k4 -n | sed -n 2p |
            sed 's/[{}"a-z_]//g; s/[:,] */|/g; s/||*/ | /g' | sed "s/^ *|* */| $name | $threads | /; s/\$/ |/"
    done
}
measure "one each"
measure "aggregated" producer.aggregate=true
measure "aggregated, gzip" producer.aggregate=true producer.compression=gzip
measure "one each, spool" producer.spool_dir="$work/spool"
measure "aggregated, spool" producer.aggregate=true producer.spool_dir="$work/spool"
measure "aggregated, gzip, spool" producer.aggregate=true producer.compression=gzip producer.spool_dir="$work/spool"
measure "one each, with all reports" producer.queue_bytes=1073741824 producer.reports=all
