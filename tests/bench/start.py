#!/usr/bin/env python3
"""From process start to the first token, and peak resident memory, of whole processes; beside llama-completion.

  PEERS_DIR=... tests/bench/start.py --output docs/measurements/start.md
"""
import os
import subprocess
import time

import measure

PROMPT = "hello " * 32


def whole_process(command):
    """Seconds until the process has ended, and its peak resident MiB."""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with exit code {process.returncode}")
    return {"seconds": time.monotonic() - start, "rss": usage.ru_maxrss / 1024}


def twice(command):
    """After another program, and at once again, when the memory of the first run is still there to be used."""
    time.sleep(3)
    first, again = whole_process(command), whole_process(command)
    return {"first": first["seconds"], "again": again["seconds"], "rss": again["rss"]}


def main():
    options = measure.arguments(__doc__.splitlines()[0]).parse_args()
    jobs = {}
    for kind in options.types.split(","):
        path = measure.model(options, kind)
        jobs[f"weft {kind}"] = lambda path=path: twice(
            [options.weft, "generate", "--model", path, "--threads", options.threads, "--max-model-len", 1024, "--max-seqs", 1,
             "--max-tokens", 1, "--ignore-eos", "--prompt", PROMPT])
        jobs[f"llama.cpp {kind}"] = lambda path=path: twice(
            [os.path.join(options.llama, "llama-completion"), "-m", path, "-t", options.threads, "-tb", options.threads, "-c", 1024,
             "-n", 1, "-no-cnv", "--no-warmup", "--ignore-eos", "-p", PROMPT])
    result, rows = measure.in_turns(options.rounds, jobs), []
    for kind in options.types.split(","):
        ours, theirs = result[f"weft {kind}"], result[f"llama.cpp {kind}"]
        rows.append([kind, *(f"{x[key]:.3f}" for key in ("first", "again") for x in (ours, theirs)),
                     *(f"{ours[key] / theirs[key]:.2f}" for key in ("first", "again")),
                     f"{ours['rss']:.0f}", f"{theirs['rss']:.0f}"])
    measure.write(options, "Start to first token",
                  "SmolLM2-135M, a whole process: start, load, a prompt of 32 words, one token, exit; seconds. \"First\" is after 3 idle "
                  "seconds, in which this virtual machine gives free memory back to its host; \"again\" follows at once. Weft copies "
                  "weights into its own layout, llama.cpp maps the file, whose pages in the cache count as resident.",
                  measure.table(["weights", "Weft, first", "llama.cpp, first", "Weft, again", "llama.cpp, again", "ratio, first",
                                 "ratio, again", "Weft peak, MiB", "llama.cpp peak, MiB"], rows))


if __name__ == "__main__":
    main()
