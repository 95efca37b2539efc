#!/usr/bin/env python3
"""Weft beside llama.cpp on the same GGUF files, and beside CTranslate2 where it is installed, in turns, with the share of the
measured read bandwidth.

  PEERS_DIR=... tests/bench/compare.py --output docs/measurements/peers.md
"""
import json
import os

import measure

FIGURES = {
    "decode": "decode, depth 0",
    "decode512": "decode, depth 512",
    "prefill512": "prefill of 512",
    "batch8": "decode, batch 8",
}


def weft(options, path):
    threads = ["--threads", options.threads, "--repetitions", 1]
    one = measure.bench_model(options, path, "--pp", 512, "--tg", 128, *threads)
    deep = measure.bench_model(options, path, "--pp", 512, "--tg", 128, "--depth", 512, *threads)
    batch = measure.bench_model(options, path, "--pp", 16, "--tg", 64, "--depth", 16, "--batch", 8, *threads)
    return {"decode": one["decode_tok_s"], "decode512": deep["decode_tok_s"], "prefill512": one["prefill_tok_s"],
            "batch8": batch["decode_tok_s"], "weights": one["weights_bytes"], "rss": one["rss_bytes"]}


def llama(options, path):
    def bench(prompt, depth):
        command = [os.path.join(options.llama, "llama-bench"), "-m", path, "-t", options.threads, "-r", 1, "-o", "json"]
        rows = json.loads(measure.output_of([*command, "-p", prompt, "-n", 128, "-d", depth]))
        return {("tg" if row["n_gen"] else "pp"): row["avg_ts"] for row in rows}

    at_0, at_512 = bench(512, 0), bench(0, 512)
    out = measure.output_of([os.path.join(options.llama, "llama-batched-bench"), "-m", path, "-t", options.threads, "-tb",
                             options.threads, "-c", 8 * 96, "-npp", 16, "-ntg", 64, "-npl", 8, "--output-format", "jsonl"])
    batch = [json.loads(line)["speed_tg"] for line in out.splitlines() if line.startswith("{")][-1]
    return {"decode": at_0["tg"], "decode512": at_512["tg"], "prefill512": at_0["pp"], "batch8": batch}


def ctranslate2(options):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ctranslate2_peer.py")
    model = os.path.join(options.models, "ct2-int8")
    return json.loads(measure.output_of([options.ctranslate2, script, model, options.threads]))


def main():
    parser = measure.arguments("Weft beside llama.cpp and CTranslate2")
    parser.add_argument("--ctranslate2", default=os.path.join(os.environ.get("PEERS_DIR", ""), "venv-peers", "bin", "python"),
                        help="a Python that has ctranslate2; it runs models/ct2-int8")
    parser.add_argument("--read-bandwidth", default=os.path.join(measure.SOURCE, "build", "tests", "bench", "read_bandwidth"))
    options = parser.parse_args()
    types = options.types.split(",")
    jobs = {"memory": lambda: {"read": float(measure.output_of([options.read_bandwidth, options.threads]))}}
    if os.path.exists(options.ctranslate2):
        jobs["ctranslate2"] = lambda: ctranslate2(options)
    for kind in types:
        path = measure.model(options, kind)
        jobs[f"weft {kind}"] = lambda path=path: weft(options, path)
        jobs[f"llama.cpp {kind}"] = lambda path=path: llama(options, path)
    result = measure.in_turns(options.rounds, jobs)

    read, rows, memory = result["memory"]["read"], [], []
    for kind in types:
        ours, theirs = result[f"weft {kind}"], result[f"llama.cpp {kind}"]
        for key, label in FIGURES.items():
            share = f"{ours['weights'] * ours[key] / read / 1e9:.0%}" if key == "decode" else ""
            rows.append([kind, label, f"{ours[key]:.1f}", f"{theirs[key]:.1f}", f"{ours[key] / theirs[key]:.2f}", share])
        memory.append([kind, f"{ours['weights'] / 2**20:.1f}", f"{ours['rss'] / 2**20:.1f}"])
        if kind == "Q8_0" and "ctranslate2" in result:
            for key in ("decode", "prefill512"):
                theirs = result["ctranslate2"][key]
                rows.append([f"{kind}; CTranslate2 int8", FIGURES[key], f"{ours[key]:.1f}", f"{theirs:.1f}",
                             f"{ours[key] / theirs:.2f}", ""])
    measure.write(options, "SmolLM2-135M beside llama.cpp and CTranslate2",
                  f"Tokens a second, `--dtype auto`; the peer is llama.cpp unless said. Read bandwidth of 512 MiB in this run: {read:.1f} GB/s; the share is "
                  "weight bytes times tokens a second over it.",
                  measure.table(["weights", "figure", "Weft", "peer", "ratio", "share of read bandwidth"], rows),
                  measure.table(["weights", "packed, MiB", "peak resident, MiB"], memory))


if __name__ == "__main__":
    main()
