#!/usr/bin/env python3
"""Cost of canonical order: a layer's matrix products with canonical trees beside plain sequential sums, in turns.

  tests/bench/canonical.py --output docs/measurements/canonical.md
"""
import json
import os

import measure


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.set_defaults(rounds=1)  # the program alternates by itself
    parser.add_argument("--bench", default=os.path.join(measure.SOURCE, "build", "tests", "bench", "canonical_bench"))
    options = parser.parse_args()
    rows = []
    for line in measure.output_of([options.bench, options.threads]).splitlines():
        case = json.loads(line)
        rows.append([case["weights"], case["dtype"], case["rows"], f"{case['plain_ms']:.2f}", f"{100 * (case['ratio'] - 1):+.1f} %"])
    measure.write(options, "Cost of canonical order",
                  "All matrix products of SmolLM2's 30 layers (shapes 960 x 576, 576 x 576, 3072 x 576, 576 x 1536), with the "
                  "canonical trees of the attention output (9 units of 64) and MLP down (8 units of 192), and with every sum "
                  "sequential. Medians of ratios to the mean of the plain runs before and after; nothing else of a step has a plain form.",
                  measure.table(["weights", "--dtype", "rows", "plain, ms", "canonical"], rows))


if __name__ == "__main__":
    main()
