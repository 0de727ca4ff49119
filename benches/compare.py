"""Runs the drivers round robin and prints a table.  usage: compare.py OUT [PEERS]   (run.sh calls it)

REPS rounds (default 5); RUNS, a regular expression, picks from names such as w1/http/firehose; every run is a line of
OUT/results.jsonl."""
import json
import os
import re
import statistics
import subprocess
import sys

OURS, FLOOR, CURL = "firehose", "floor", "curl"
WORKLOADS = {  # name: (calls, pinned to one processor, what it is)
    "w1": (10000, True, "PutRecord, 1 KiB"),
    "w2": (300, True, "PutRecordBatch, 500 x 1 KiB"),
    "w3": (40, True, "PutRecordBatch, 500 x 8 KiB"),
    "w4": (1, False, "process start to the first record"),
    "w5": (1000, False, "16 threads, PutRecord, 1 KiB"),
    "w6": (600, True, "PutRecordBatch, 500 x 100 B"),
}
AGAIN = {"w4": 5}  # runs in one round where one is over in no time
GOALS = {  # CPU of ours / CPU of the floor, at most
    "http": {"w1": 1.6, "w2": 1.10, "w3": 1.10, "w5": 1.6, "w6": 1.25},
    "tls": {"w1": 1.6, "w2": 0.95, "w3": 0.95, "w4": 1.0, "w5": 1.5, "w6": 1.0},
}


def micros(run):
    """CPU time of one call; of the whole process where its start is what is measured."""
    if run["workload"] == "w4":
        return (run["proc_user"] + run["proc_sys"]) * 1e6
    return (run["user"] + run["sys"]) / run["calls"] * 1e6


def drivers(out, peers):
    found = {OURS: os.path.join(out, "firehose")}
    for name in (FLOOR, CURL):
        path = os.path.join(peers, "c", name)
        if peers and os.access(path, os.X_OK):
            found[name] = path
        else:
            print(f"not measured: {name}: " + (f"no program at {path}" if peers else "PEERS is not set"), file=sys.stderr)
    return found


def one_run(driver, name, url, workload):
    calls, pinned, _ = WORKLOADS[workload]
    command = [driver, url, workload, str(calls)]
    environment = dict(os.environ)
    if name == FLOOR and environment.get("FLOOR_CA"):
        environment["BENCH_CA"] = environment["FLOOR_CA"]
    if pinned:
        command = ["taskset", "-c", environment.get("CPU", "0")] + command
    # A process inherits the peak memory of the one it replaces: the shell in between is small, Python is not.
    command = ["sh", "-c", '"$@"; exit $?', "sh"] + command
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, cwd="/", check=False, timeout=600)
    if done.returncode != 0:
        sys.exit(f"compare.py: {name} on {workload}, {url}, failed with {done.returncode}")
    return json.loads(done.stdout)


def measure(out, programs, urls, rounds, wanted):
    runs = {}
    with open(os.path.join(out, "results.jsonl"), "w", encoding="utf-8") as file:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for workload in WORKLOADS:
                for mode, url in urls.items():
                    for name, driver in programs.items():
                        if not re.search(wanted, f"{workload}/{mode}/{name}"):
                            continue
                        for _ in range(AGAIN.get(workload, 1)):
                            run = one_run(driver, name, url, workload)
                            run.update(driver=name, mode=mode, round=number)
                            file.write(json.dumps(run) + "\n")
                            runs.setdefault((workload, mode), {}).setdefault(name, []).append(run)
    return runs


def figure(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(runs):
    print("\nCPU microseconds per call (w4: of the process), medians; ratios of medians.\n")
    print("| workload | | firehose | [min-max] | floor | libcurl | firehose / floor | goal | firehose / libcurl "
          "| peak KiB: firehose, libcurl |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for (workload, mode), by_driver in sorted(runs.items()):
        cpu = {name: sorted(map(micros, of)) for name, of in by_driver.items()}
        middle = {name: statistics.median(values) for name, values in cpu.items()}
        peak = {name: statistics.median(run["rss_kib"] for run in of) for name, of in by_driver.items()}

        def ratio(peer):
            return f"{middle[OURS] / middle[peer]:.2f}" if OURS in middle and peer in middle else "-"

        def shown(name):
            return figure(middle[name]) if name in middle else "-"

        goal = GOALS[mode].get(workload)
        spread = f"{figure(cpu[OURS][0])}-{figure(cpu[OURS][-1])}" if OURS in cpu else "-"
        peaks = ", ".join(f"{peak[name]:,.0f}" if name in peak else "-" for name in (OURS, CURL))
        print(f"| {workload} {WORKLOADS[workload][2]} | {mode} | {shown(OURS)} | {spread} | {shown(FLOOR)} | {shown(CURL)} "
              f"| {ratio(FLOOR)} | {'-' if goal is None else f'{goal:.2f}'} | {ratio(CURL)} | {peaks} |")


def main():
    out = sys.argv[1]
    peers = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else ""
    rounds = int(os.environ.get("REPS") or 5)
    urls = {mode: os.environ[name] for mode, name in (("http", "SINK_HTTP"), ("tls", "SINK_TLS")) if os.environ.get(name)}
    runs = measure(out, drivers(out, peers), urls, rounds, os.environ.get("RUNS") or ".")
    if not runs:
        sys.exit("compare.py: RUNS matches nothing; names are such as w1/http/firehose")
    table(runs)


if __name__ == "__main__":
    main()
