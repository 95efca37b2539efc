#!/usr/bin/env python3
"""Host cost of a step: everything but the computation, at 256 running sequences.

  tests/bench/host_cost.py --output docs/measurements/host_cost.md
"""
import json
import os

import measure


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.set_defaults(rounds=1, threads=1)  # the program repeats by itself; a rank is one thread
    parser.add_argument("--bench", default=os.path.join(measure.SOURCE, "build", "tests", "bench", "step_bench"))
    options = parser.parse_args()
    flags = ["--benchmark_format=json", "--benchmark_repetitions=9", "--benchmark_report_aggregates_only=true"]
    medians, spreads = {}, {}
    for row in json.loads(measure.output_of([options.bench, *flags]))["benchmarks"]:
        name = tuple(int(part.split(":")[1]) for part in row["run_name"].split("/")[1:3])
        {"median": medians, "stddev": spreads}.get(row["aggregate_name"], {})[name] = row["real_time"]
    measure.write(options, "Host cost of a step",
                  "A step of 256 running sequences over a model that computes nothing (`step_bench`): planning, the message to the other "
                  "ranks, what each prepares for the launch, and taking in one token a sequence, with a vocabulary of 8. Blocks hold 32 "
                  "positions; the mean of the 32 steps that fill one block of every sequence, and of 9 repetitions of 5 of those the "
                  "median and the standard deviation. Ranks are threads of one process, and a step ends when the last is ready.",
                  measure.table(["ranks", "blocks a sequence", "µs a step", "± µs"],
                                [[*name, f"{value:.0f}", f"{spreads[name]:.0f}"] for name, value in medians.items()]))


if __name__ == "__main__":
    main()
