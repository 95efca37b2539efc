#!/usr/bin/env python3
"""Distance of Weft's logits from transformers' (tiny golden models, every --dtype) and of `--dtype auto` from f32 (SmolLM2).

  WEFT_SMOLLM2=... tests/bench/accuracy.py --output docs/measurements/accuracy.md
"""
import json
import os
import sys
import tempfile

import measure

sys.path.insert(0, os.path.join(measure.SOURCE, "tests", "e2e"))
import weft  # noqa: E402


DTYPES = ("f32", "bf16", "f16", "q8")


def logits(path, input_path, *flags):
    """{name: logits} of `weft score`."""
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "out.safetensors")
        done = weft.run("score", "--model", path, "--input", input_path, "--output", output, *flags)
        if done.code:
            raise SystemExit(done.err)
        return {name: values for name, values in weft.read_safetensors(output).items() if name.startswith("logits.")}


def worst(ours, theirs):
    return max(weft.relative_l2(ours[name], theirs[name]) for name in ours)


def golden_rows():
    for name in sorted(os.listdir(weft.GOLDEN)):
        folder = os.path.join(weft.GOLDEN, name)
        gguf = os.path.join(folder, "model.gguf")
        golden = weft.read_safetensors(os.path.join(folder, "golden.safetensors"))
        model, cases = gguf if os.path.exists(gguf) else folder, os.path.join(folder, "cases.json")
        yield [name, *(f"{worst(logits(model, cases, '--dtype', dtype), golden):.1e}" for dtype in DTYPES)]


def smollm2_row():
    cases = json.loads(weft.read_text(os.path.join(measure.SOURCE, "tests", "e2e", "smollm2.json")))["cases"]
    with tempfile.TemporaryDirectory() as folder:
        input_path = os.path.join(folder, "cases.json")
        with open(input_path, "w", encoding="utf-8") as f:
            json.dump({"cases": [{"input_ids": case["token_ids"]} for case in cases]}, f)
        exact, auto = (logits(weft.SMOLLM2, input_path, "--dtype", dtype) for dtype in ("f32", "auto"))
    each = [weft.relative_l2(auto[name], exact[name]) for name in exact]
    return ["SmolLM2-135M-Instruct, as shipped (Q4_1)", *(f"{x:.3f}" for x in each)]


def main():
    options = measure.arguments(__doc__.splitlines()[0]).parse_args()
    weft.BIN, options.rounds = options.weft, 1
    parts = ["Relative L2 distance of the logits of a tiny model's worst case from transformers 5.23 in float32, for each `--dtype`; "
             "allowed for f32: 1e-5 dense, 1e-4 MoE. In a MoE a rounded activation can move a route.",
             measure.table(["tiny model", *DTYPES], golden_rows())]
    if os.path.exists(weft.SMOLLM2):
        row = smollm2_row()
        parts += ["Relative L2 distance of `--dtype auto` (int8 activations) from `--dtype f32`, for each of five prompts; allowed: 5e-2.",
                  measure.table(["model", *(f"prompt {i + 1}" for i in range(len(row) - 1))], [row])]
    measure.write(options, "Accuracy", *parts)


if __name__ == "__main__":
    main()
