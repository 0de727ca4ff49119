#!/bin/sh
# Measures the library beside a floor and libcurl, in one round-robin run, and prints a table. README.md says how.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
release=${FIREHOSE_RELEASE:-${CARGO_TARGET_DIR:-$root/target}/release}
out=${OUT:-${TMPDIR:-/tmp}/firehose-bench}

stop() {
    echo "run.sh: $1" >&2
    exit 1
}

[ -f "$release/libfirehose.so" ] || stop "no $release/libfirehose.so: run cargo build --release first"
for tool in "${CC:-cc}" python3 taskset; do
    command -v "$tool" >/dev/null || stop "$tool is not installed"
done

release=$(cd "$release" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
ln -sf "$release/libfirehose.so" "$out/libfirehose.so.1"
"${CC:-cc}" -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -I"$root/include" "$here/firehose.c" -o "$out/firehose" \
    "$out/libfirehose.so.1" -pthread "-Wl,-rpath,$out"

# A pair that AWS prints in its own documentation: the sink does not look at it.
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
export AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_FIREHOSE HTTP_PROXY HTTPS_PROXY http_proxy https_proxy

if [ -n "${PEER_BENCH:-}" ]; then
    export RUN="${RUN:-$out/sink}" PORT="${PORT:-18080}" TLSPORT="${TLSPORT:-18443}"
    "$PEER_BENCH/sink/sink.sh" start || stop "the sink does not start: see $RUN/nginx.out and $RUN/error.log"
    trap '"$PEER_BENCH/sink/sink.sh" stop' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    SINK_HTTP=http://127.0.0.1:$PORT SINK_TLS=https://localhost:$TLSPORT SINK_CA=$RUN/tls/ca.pem
    export AWS_CA_BUNDLE="$RUN/tls/bundle.pem" BENCH_CA="$RUN/tls/bundle.pem"
elif [ -n "${SINK_HTTP:-}${SINK_TLS:-}" ]; then
    SINK_CA=${SINK_CA:-${AWS_CA_BUNDLE:-}}
    export AWS_CA_BUNDLE="${AWS_CA_BUNDLE:-$SINK_CA}" BENCH_CA="${AWS_CA_BUNDLE:-$SINK_CA}"
else
    stop "no sink: PEER_BENCH is a folder with sink/sink.sh, or SINK_HTTP and SINK_TLS are the URLs of one that runs"
fi
export SINK_HTTP="${SINK_HTTP:-}" SINK_TLS="${SINK_TLS:-}" FLOOR_CA="$SINK_CA"

python3 "$here/compare.py" "$out" "${PEERS:-}"
