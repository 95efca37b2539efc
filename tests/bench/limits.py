#!/usr/bin/env python3
"""Weft inside limits: a CPU quota of one of the machine's CPUs, another server beside it, 700 MiB of memory.

  WEFT_SMOLLM2=... tests/bench/limits.py --rounds 3 --output docs/measurements/limits.md

Makes cgroups (version 1) of its own and removes them, and runs at the highest priority, so that other work on the machine counts
little; needs to be root.
"""
import contextlib
import json
import os
import re
import statistics
import subprocess
import time

import measure

MODEL = os.environ["WEFT_SMOLLM2"]
DECODE = ["--tg", "64", "--pp", "0", "--repetitions", "3"]
QUOTA_US, MEMORY = 100_000, 700 << 20


@contextlib.contextmanager
def cgroup(controller, **limits):
    """A group below this process's own; its folder."""
    with open("/proc/self/cgroup", encoding="utf-8") as f:
        own, = [line.strip().split(":", 2)[2] for line in f if controller in line.split(":")[1].split(",")]
    mount = f"/sys/fs/cgroup/{controller}"
    folder = next(f"{mount}{parent}/weft-{os.getpid()}" for parent in (own, "") if os.path.isdir(mount + parent))
    os.mkdir(folder)
    try:
        for name, value in limits.items():
            with open(f"{folder}/{controller}.{name}", "w", encoding="utf-8") as f:
                f.write(str(value))
        yield folder
    finally:
        while True:
            with contextlib.suppress(OSError):  # its processes are on their way out
                os.rmdir(folder)
                break
            time.sleep(0.01)


def inside(folder, command):
    """As a command that joins the group first."""
    return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh", *command]


def bench(options, *flags):
    return ["nice", "-n", "-20", options.weft, "bench", "model", "--model", MODEL, "--json", "--log-level", "error", *DECODE, *flags]


def decode_speeds(commands):
    """Tokens a second of each, all at once."""
    env = {name: value for name, value in os.environ.items() if name != "WEFT_PIN"}
    running = [subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=env) for command in commands]
    return [json.loads(process.communicate(timeout=120)[0])["decode_tok_s"] for process in running]


def value_in(folder, name):
    with open(f"{folder}/memory.{name}", encoding="utf-8") as f:
        return int(f.read())


def under_quota(options):
    with cgroup("cpu", cfs_period_us=QUOTA_US, cfs_quota_us=QUOTA_US) as folder:
        kinds = {"default": [], "--threads 1": ["--threads", "1"], "--threads 2": ["--threads", "2"]}
        jobs = {name: lambda flags=flags: {"decode": decode_speeds([inside(folder, bench(options, *flags))])[0]}
                for name, flags in kinds.items()}
        medians = measure.in_turns(options.rounds, jobs)
    return [[name, f"{figure['decode']:.1f}"] for name, figure in medians.items()]


def counting_speeds(cpus):
    """Millions a second that loops count, one on each of these CPUs: what the machine gives."""
    loop = ("import time\nn, begin = 0, time.monotonic()\nwhile time.monotonic() < begin + 1.5:\n    for _ in range(1000): n += 1\n"
            "print(n / 1.5e6)")
    running = [subprocess.Popen(["nice", "-n", "-20", "taskset", "-c", str(cpu), "python3", "-c", loop], stdout=subprocess.PIPE, text=True)
               for cpu in cpus]
    return [float(process.communicate(timeout=60)[0]) for process in running]


def beside_another(options):
    one = bench(options, "--threads", "1")
    kinds = {"Weft, tok/s": lambda n: decode_speeds([one] * n), "loops that count, M/s": lambda n: counting_speeds(range(n))}
    jobs = {(kind, n): lambda run=run, n=n: {"mean": statistics.mean(run(n))} for kind, run in kinds.items() for n in (1, 2)}
    medians = {name: figures["mean"] for name, figures in measure.in_turns(options.rounds, jobs).items()}
    return [[kind, f"{medians[kind, 1]:.1f}", f"{medians[kind, 2]:.1f}", f"{medians[kind, 2] / medians[kind, 1]:.0%}"] for kind in kinds]


def in_little_memory(options):
    """The cache of default size, filled by four sequences."""
    with cgroup("memory", limit_in_bytes=MEMORY) as folder:
        done = subprocess.run(inside(folder, [options.weft, "bench", "model", "--model", MODEL, "--json", "--tg", "8", "--pp", "0",
                                              "--batch", "4", "--depth", "1600", "--repetitions", "1"]),
                              capture_output=True, text=True, timeout=120, check=False)
        sizes = re.search(r"(\d+) MiB weights, (\d+) MiB workspace, up to (\d+) MiB KV cache; its share of (\S+): (\d+) MiB", done.stderr)
        if not sizes or done.returncode:
            raise SystemExit(f"exit code {done.returncode}: {done.stderr}")
        weights, workspace, cache, source, limit = sizes.groups()
        return [[limit, f"`{os.path.basename(source)}`", weights, workspace, cache, value_in(folder, "max_usage_in_bytes") >> 20,
                 value_in(folder, "failcnt")]]


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.set_defaults(threads=1)
    options = parser.parse_args()
    quota, pair, memory = under_quota(options), beside_another(options), in_little_memory(options)
    measure.write(
        options, "Inside limits",
        "`weft bench model` with SmolLM2-135M Q4_1, decode of 64 tokens, at the highest priority beside the other work "
        "on this shared machine. Its speed changes by the minute: compare within a table.",
        "A CPU quota of one CPU (cgroup version 1), on a machine of two:", measure.table(["threads", "tok/s"], quota),
        "Two processes of one thread each, pinned as by default, beside two loops that do nothing but count, one on each CPU: the machine "
        "itself may have less for two CPUs than twice what it has for one.",
        measure.table(["", "alone", "each of two", "of alone"], pair),
        "A cgroup of 700 MiB; four sequences of 1,600 tokens, for which the cache of default size has just room. Times at the limit count "
        "reclaimed file pages too; nothing was killed:",
        measure.table(["limit, MiB", "taken from", "weights, MiB", "workspace, MiB", "KV cache, MiB", "most used, MiB", "times at the limit"],
                      memory))


main()
