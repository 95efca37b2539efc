#!/usr/bin/env python3
"""CPU time of an idle `weft serve` and all its ranks: at most 1 % of one CPU is the aim.

  PEERS_DIR=... tests/bench/idle.py --types Q8_0 --output docs/measurements/idle.md
"""
import os
import signal
import socket
import subprocess
import time

import measure

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """Parent and CPU seconds of a process."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS


def tree_seconds(root):
    """{pid: CPU seconds} of root and its descendants."""
    stats = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stats[int(entry)] = stat(entry)
            except (OSError, IndexError):  # it has just ended
                pass
    tree = {root}
    while more := {pid for pid, (parent, _) in stats.items() if parent in tree} - tree:
        tree |= more
    return {pid: stats[pid][1] for pid in tree}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def idle_percent(options, path, ranks, seconds):
    """Per cent of one CPU, after one request has been answered."""
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen([options.weft, "serve", "--model", path, "--listen", address, "--ranks", str(ranks), "--threads", "1",
                               "--log-level", "error"], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        client = [options.weft, "client", "--target", address, "--prompt", "hello", "--max-tokens", "8"]
        deadline = time.monotonic() + 60
        while subprocess.run(client, capture_output=True, timeout=60).returncode:
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("weft serve did not answer within 60 s")
            time.sleep(0.5)
        time.sleep(3)
        before = tree_seconds(server.pid)
        time.sleep(seconds)
        after = tree_seconds(server.pid)
        return 100 * sum(after[pid] - before.get(pid, 0) for pid in after) / seconds
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="length of the idle interval")
    options = parser.parse_args()
    kind = options.types.split(",")[0]
    path = measure.model(options, kind)
    jobs = {f"{n} ranks": lambda n=n: {"percent": idle_percent(options, path, n, options.seconds)} for n in (1, 2, 4)}
    result = measure.in_turns(options.rounds, jobs)
    measure.write(options, "Idle server", f"`weft serve` with SmolLM2-135M {kind}, all processes of the job together, over {options.seconds} s "
                  "without a request, in per cent of one CPU.",
                  measure.table(["ranks", "CPU, %"], [[name.split()[0], f"{value['percent']:.2f}"] for name, value in result.items()]))


if __name__ == "__main__":
    main()
