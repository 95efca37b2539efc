#!/usr/bin/env python3
"""Do two builds of weft compute the same bits?

  tests/bits/compare.py OLD_WEFT NEW_WEFT [MODEL...]

Every golden model, and the GGUF that WEFT_SMOLLM2 names, in every --dtype: OLD's raw logits, alone on one rank, are what NEW has to
give, byte for byte, on 1 to 4 ranks, with experts whole and in slices, in large steps and in chunks beside running sequences. Exit
code 0: all files are equal. 1: some differ, or a run failed.
"""
import collections
import concurrent.futures
import json
import os
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(SOURCE, "tests", "golden", "models")
DTYPES = ("f32", "bf16", "f16", "q8")

# Prompts of all cases are prefilled together (large steps: rows are shared among ranks) or in chunks of 40 beside sequences that
# decode. Rows of decode are few: every rank holds them all.
LARGE, CHUNKS = (), ("--max-batch-tokens", "40", "--max-seqs", "3")
RUNS = ((0, LARGE), (1, CHUNKS), (2, LARGE), (3, CHUNKS), (4, LARGE))
EXPERT_RUNS = ((2, ("--ep", "1", *CHUNKS)), (3, ("--ep", "1", *LARGE)), (4, ("--ep", "3", *CHUNKS)))

Model = collections.namedtuple("Model", "name path has_experts cases")


def models():
    found = []
    for name in sorted(os.listdir(GOLDEN)):
        folder = os.path.join(GOLDEN, name)
        config, gguf = os.path.join(folder, "config.json"), os.path.join(folder, "model.gguf")
        has_experts = os.path.exists(config) and "num_experts_per_tok" in read(config).decode()
        cases = json.loads(read(os.path.join(folder, "cases.json")))
        found.append(Model(name, gguf if os.path.exists(gguf) else folder, has_experts, cases))
    if smollm2 := os.environ.get("WEFT_SMOLLM2"):
        cases = [{"input_ids": [(7 * i + 3 * n) % 49152 for i in range(n)]} for n in (1, 5, 50)]
        found.append(Model("SmolLM2", smollm2, False, {"cases": cases, "greedy_tokens": 8}))
    return found


def read(path):
    with open(path, "rb") as f:
        return f.read()


def logits(weft, model, dtype, ranks, flags, folder):
    """Bytes of the file that `weft score` writes; ranks=0 is alone, without mpirun."""
    cases, output = os.path.join(folder, "cases.json"), os.path.join(folder, "logits.safetensors")
    with open(cases, "w", encoding="utf-8") as f:
        json.dump({**model.cases, "greedy_logits": True}, f)
    mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks else []
    command = [*mpirun, weft, "score", "--model", model.path, "--dtype", dtype, "--threads", "1", *flags, "--input", cases,
               "--output", output, "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=dict(os.environ, WEFT_PIN="0"))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}: {done.stderr.strip()}")
    return read(output)


def first_difference(old, new):
    """One sentence about two safetensors files; None if they are equal."""
    if old == new:
        return None
    size = struct.unpack("<Q", old[:8])[0]
    if old[:8 + size] != new[:8 + size] or len(old) != len(new):
        return "the files hold different tensors"
    at = next(i for i, (a, b) in enumerate(zip(old, new)) if a != b) - 8 - size
    header = json.loads(old[8:8 + size])
    header.pop("__metadata__", None)
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        if begin <= at < end:
            index = (at - begin) // 4
            place, (rows, *columns) = 8 + size + begin + 4 * index, tensor["shape"]
            where = divmod(index, columns[0]) if columns else index
            is_, was = (file[place:place + 4][::-1].hex() for file in (new, old))
            return f"{name}[{where}] of {[rows, *columns]} has the bits {is_}, not {was}"
    return "bytes between tensors differ"


def compare(old, new, model, dtype, runs):
    """What differs, a sentence each."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            expected = logits(old, model, dtype, 0, (), folder)
        except RuntimeError as error:
            return [str(error)]
        faults = []
        for ranks, flags in runs:
            try:
                difference = first_difference(expected, logits(new, model, dtype, ranks, flags, folder))
            except RuntimeError as error:
                difference = str(error)
            if difference:
                faults.append(f"{model.name} {dtype}, {ranks or 'no'} mpirun ranks {' '.join(flags)}: {difference}")
        return faults


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    old, new, *names = sys.argv[1:]
    chosen = [model for model in models() if not names or model.name in names]
    if len(names) > len(chosen):
        sys.exit(f"models are {', '.join(model.name for model in models())}")
    jobs = [(model, dtype, RUNS + EXPERT_RUNS if model.has_experts else RUNS) for model in chosen for dtype in DTYPES]
    differing = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for faults in pool.map(lambda job: compare(old, new, *job), jobs):
            for fault in faults:
                print(fault, flush=True)
            differing += len(faults)
    runs = sum(len(runs) for _, _, runs in jobs)
    smollm2 = "" if names or os.environ.get("WEFT_SMOLLM2") else "; without SmolLM2, which WEFT_SMOLLM2 would name"
    print(f"{runs - differing} of {runs} runs give OLD's bits ({len(chosen)} models, {len(DTYPES)} types{smollm2})")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
