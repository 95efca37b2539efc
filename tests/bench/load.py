#!/usr/bin/env python3
"""Loading: what reading only columns costs, what a rank reads beside what it keeps, and the time of `weft inspect` for 64 ranks.

  tests/bench/load.py --model DIR_OR_GGUF --rounds 3 --output docs/measurements/load.md
"""
import json
import os
import subprocess
import tempfile
import time

import measure

MIB = 1 << 20


def evict(path):
    """Out of the page cache: what follows is read from the device."""
    with open(path, "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def device_bytes():
    with open("/proc/self/io", encoding="utf-8") as f:
        return int(next(line for line in f if line.startswith("read_bytes")).split()[1])


def read_columns(path, row, part, advice):
    """The first `part` bytes of every `row` bytes, by a read each, from a cold cache."""
    evict(path)
    total = min(os.path.getsize(path), 192 * MIB) // row * row
    with open(path, "rb", buffering=0) as f:
        os.posix_fadvise(f.fileno(), 0, 0, advice)
        before, start = device_bytes(), time.monotonic()
        for offset in range(0, total, row):
            os.pread(f.fileno(), part, offset)
        return {"seconds": time.monotonic() - start, "asked": total // row * part / MIB, "device": (device_bytes() - before) / MIB}


def load(options, path, ranks, cold):
    if cold:
        evict(path)
    command = [options.weft, "generate", "--model", options.model, "--token-ids", "1,2", "--max-tokens", 1, "--max-model-len", 64,
               "--threads", 1, "--json", "--log-level", "error"]
    if ranks > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", ranks, *command]
    answer = json.loads(measure.output_of(command))
    return {"seconds": answer["timings"]["load_s"], "read": answer["load"]["read_bytes"] / MIB, "kept": answer["load"]["kept_bytes"] / MIB}


def inspect(options, layers, experts):
    """A Qwen3-MoE of DeepSeek-V3's size."""
    with open(os.path.join(measure.SOURCE, "configs", "models", "qwen3-30b-a3b.json"), encoding="utf-8") as f:
        config = json.load(f)
    config.update(num_hidden_layers=layers, num_experts=experts, num_attention_heads=128, num_key_value_heads=8, hidden_size=7168,
                  moe_intermediate_size=2048)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(config, f)
        f.flush()
        start = time.monotonic()
        subprocess.run([options.weft, "inspect", f.name, "--tp", "64", "--ep", "64", "--json"], check=True, stdout=subprocess.DEVNULL)
        return {"seconds": time.monotonic() - start}


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="Hugging Face directory of one file, or GGUF file, of at least 200 MiB")
    options = parser.parse_args()
    path = os.path.join(options.model, "model.safetensors") if os.path.isdir(options.model) else options.model
    normal, random = os.POSIX_FADV_NORMAL, os.POSIX_FADV_RANDOM
    reads = {"whole rows": (MIB, MIB, normal)}
    for row in (8192, 28672):
        for k in (2, 4):
            reads[f"1/{k} of rows of {row}"] = (row, row // k, normal)
            reads[f"1/{k} of rows of {row}, no read-ahead"] = (row, row // k, random)
    jobs = {name: lambda args=args: read_columns(path, *args) for name, args in reads.items()}
    jobs |= {(ranks, cold): lambda ranks=ranks, cold=cold: load(options, path, ranks, cold) for ranks in (1, 2) for cold in (True, False)}
    jobs["inspect"] = lambda: inspect(options, 58, 256)
    result = measure.in_turns(options.rounds, jobs)
    columns = measure.table(["read", "asked, MiB", "device, MiB", "seconds"],
                            [[name, *(f"{result[name][key]:.{n}f}" for key, n in (("asked", 0), ("device", 0), ("seconds", 2)))] for name in reads])
    loads = measure.table(["ranks", "page cache", "read, MiB", "kept, MiB", "seconds"],
                          [[str(ranks), "cold" if cold else "warm", *(f"{result[ranks, cold][key]:.{n}f}" for key, n in
                                                                       (("read", 1), ("kept", 1), ("seconds", 2)))]
                           for ranks in (1, 2) for cold in (True, False)])
    measure.write(options, "Loading", "Reads of a file that is not in the page cache: whole rows by 1 MiB, or the first part of every row by one "
                  "read a row, as a rank reads its columns of a row-parallel weight. Read-ahead makes the device read the gaps too, so "
                  "that they cost nothing to skip; without it the device reads less and takes longer. So the loader leaves read-ahead as it is: what it asks "
                  "for is what it keeps, what the device reads of a narrow slice is up to the whole tensor, once a host.",
                  "\n\n".join([columns, f"Loads of {os.path.basename(options.model.rstrip('/'))} with one thread a rank, all ranks together:", loads,
                               f"`weft inspect` of 58 layers of 256 experts for 64 ranks: {result['inspect']['seconds']:.2f} s."]))


if __name__ == "__main__":
    main()
