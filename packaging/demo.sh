#!/bin/sh
# demo.sh RELEASE_DIR: the C examples against a Firehose on this machine, then a real file sent line by line
# and compared, byte for byte, with what arrived, then a million lines through firehose-pipe, killed half way.
# `make demo` calls it once the library is built.
set -eu
cd "$(dirname "$0")/.."
release=$(cd "${1:?usage: demo.sh RELEASE_DIR}" && pwd)
cargo=${CARGO:-cargo}
work=$(mktemp -d)
server=
piping=
stop() {
    [ -z "$piping" ] || kill "$piping" 2>/dev/null || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM
title() { printf '\n== %s\n' "$*"; }

title "Building firehose-local and the examples"
"$cargo" build --quiet --locked -p firehose-local
local_bin=${CARGO_TARGET_DIR:-target}/debug/firehose-local
make --silent -C examples-c OUT="$work" FIREHOSE_LIB="$release"
echo "done: $(cc --version | head -n 1)"

# serve FAULT...: starts a Firehose on this machine and learns where it listens.
serve() {
    rm -f "$work/ready"
    "$local_bin" --stream clicks --stream sources --stream lines --data "$work/data" --seed 7 "$@" \
        >"$work/ready" 2>"$work/log" </dev/null &
    server=$!
    tries=0
    until [ -s "$work/ready" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
            cat "$work/log" >&2
            echo "demo: firehose-local did not start." >&2
            exit 1
        fi
        sleep 0.1
    done
    AWS_ENDPOINT_URL_FIREHOSE=$(sed -n 's/.*"http": *"\([^"]*\)".*/\1/p' "$work/ready")
    echo "listening on $AWS_ENDPOINT_URL_FIREHOSE"
}

title "A Firehose on this machine, one call in fifty answered with an error 500"
mkdir "$work/home"
serve --fault '{"kind":"error","status":500,"probability":0.02}'

# The keys of the local server, and nothing of what the caller has set for the real service.
run() {
    echo "\$ $*"
    program=$work/$1
    shift
    env -i HOME="$work/home" AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
        AWS_ENDPOINT_URL_FIREHOSE="$AWS_ENDPOINT_URL_FIREHOSE" \
        AWS_ACCESS_KEY_ID=AKIDLOCAL AWS_SECRET_ACCESS_KEY=local-secret \
        MY_ACCESS_KEY=AKIDLOCAL MY_SECRET_KEY=local-secret "$program" "$@"
}

title "The examples"
run 01_put_record clicks
run 02_put_record_batch clicks
run 03_call visits
run 04_own_credentials clicks
run 05_producer clicks

title "A real file: the sources of this project, one record for each line"
find src include tests/c tests/local/src examples-c packaging -type f \
    \( -name '*.rs' -o -name '*.c' -o -name '*.h' -o -name '*.sh' \) | LC_ALL=C sort | xargs cat >"$work/sources.txt"
run send_file sources "$work/sources.txt" 300

# Ending the server makes it write out what it still holds.
kill "$server"
wait "$server" || true
server=
find "$work/data/sources" -type f | LC_ALL=C sort | xargs cat >"$work/arrived.txt"
if ! cmp "$work/sources.txt" "$work/arrived.txt"; then
    echo "demo: what arrived is not what was sent." >&2
    exit 1
fi
title "Arrived, byte for byte: $(wc -l <"$work/arrived.txt") lines, $(wc -c <"$work/arrived.txt") bytes"

title "A million lines, one call in ten failing, and kill -9 half way"
serve --fault '{"kind":"error","status":500,"probability":0.04}' \
    --fault '{"kind":"reset_middle","probability":0.02}' \
    --fault '{"kind":"throttle_records","fraction":0.3,"probability":0.04}'
awk 'BEGIN { for (n = 1; n <= 1000000; n++)
    printf "192.0.2.%d - - \"GET /item/%d HTTP/1.1\" 200 %d request=%d\n", n % 250, n % 9973, n * 7 % 5000, n }' \
    >"$work/million.log"
arrived() { find "$work/data/lines" -type f 2>/dev/null | LC_ALL=C sort | xargs -r cat | wc -l; }
echo "$ firehose-pipe --aggregate --spool $work/spool --rate 8M --once lines $work/million.log"
env -i HOME="$work/home" AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
    AWS_ENDPOINT_URL_FIREHOSE="$AWS_ENDPOINT_URL_FIREHOSE" \
    AWS_ACCESS_KEY_ID=AKIDLOCAL AWS_SECRET_ACCESS_KEY=local-secret \
    "$work/firehose-pipe" --aggregate --spool "$work/spool" --rate 8M --once lines "$work/million.log" &
piping=$!
until [ "$(arrived)" -ge 400000 ]; do
    if ! kill -0 "$piping" 2>/dev/null; then
        echo "demo: firehose-pipe ended before it could be killed." >&2
        exit 1
    fi
    sleep 0.1
done
kill -9 "$piping"
wait "$piping" 2>/dev/null || true
piping=
echo "killed; $(arrived) lines have arrived"
run firehose-pipe --aggregate --spool "$work/spool" --once lines "$work/million.log"
kill "$server"
wait "$server" || true
server=
find "$work/data/lines" -type f | LC_ALL=C sort | xargs cat >"$work/arrived.txt"
LC_ALL=C sort -u "$work/arrived.txt" >"$work/arrived.sorted"
LC_ALL=C sort "$work/million.log" | cmp - "$work/arrived.sorted"
doubled=$(($(wc -l <"$work/arrived.txt") - 1000000))
title "Every one of 1000000 lines arrived; $doubled came twice: on their way when it was killed, or stored and not answered"
