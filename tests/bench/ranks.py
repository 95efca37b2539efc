#!/usr/bin/env python3
"""Decode of 2 ranks with 1 thread each beside 1 rank with 2 threads: what tensor parallelism over MPI costs on one machine.

  PEERS_DIR=... tests/bench/ranks.py --output docs/measurements/ranks.md
"""
import measure


def main():
    options = measure.arguments(__doc__.splitlines()[0]).parse_args()
    jobs = {}
    for kind in options.types.split(","):
        path = measure.model(options, kind)
        for ranks, threads in ((0, 2), (2, 1)):
            def job(path=path, ranks=ranks, threads=threads):
                flags = ["--pp", 512, "--tg", 128, "--repetitions", 1, "--threads", threads]
                bench = measure.bench_model(options, path, *flags, ranks=ranks)
                return {"decode": bench["decode_tok_s"], "prefill": bench["prefill_tok_s"], "bits": int(bench["fingerprint"], 16)}

            jobs[f"{kind} {max(1, ranks)}x{threads}"] = job
    result, rows = measure.in_turns(options.rounds, jobs), []
    for kind in options.types.split(","):
        one, two = result[f"{kind} 1x2"], result[f"{kind} 2x1"]
        rows.append([kind, *(f"{x:.1f}" for x in (one["decode"], two["decode"])), f"{two['decode'] / one['decode']:.2f}",
                     *(f"{x:.0f}" for x in (one["prefill"], two["prefill"])), f"{two['prefill'] / one['prefill']:.2f}",
                     "yes" if one["bits"] == two["bits"] else "NO"])
    measure.write(options, "Two ranks beside two threads",
                  "SmolLM2-135M, tokens a second; 1 x 2: one rank with two threads, 2 x 1: two MPI ranks with one thread each.",
                  measure.table(["weights", "decode 1 x 2", "decode 2 x 1", "ratio", "prefill 1 x 2", "prefill 2 x 1", "ratio",
                                 "same bits"], rows))


if __name__ == "__main__":
    main()
