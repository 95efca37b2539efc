#!/usr/bin/env python3
"""SmolLM2-135M-Instruct from its GGUF against transformers on the same dequantised weights (make_smollm2_golden.py)."""
import json
import os
import tempfile
import unittest

import weft

MARGIN = 0.01  # of the reference's two best logits: below it either id is right


def cases():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "smollm2.json"), encoding="utf-8") as f:
        return json.load(f)["cases"]


def answer(case, *flags, dtype="f32", ranks=0):
    return weft.generate(weft.SMOLLM2, "--token-ids", weft.join_ids(case["token_ids"]), "--max-tokens", len(case["greedy_ids"]),
                         "--ignore-eos", *flags, dtype=dtype, ranks=ranks)


@weft.needs_smollm2
class SmolLM2(unittest.TestCase):
    def assert_greedy_ids(self, ids, case, margin_of_doubt=MARGIN):
        self.assertEqual(len(ids), len(case["greedy_ids"]))
        for step, (ours, theirs, margin) in enumerate(zip(ids, case["greedy_ids"], case["margins"])):
            if ours != theirs:
                self.assertLessEqual(margin, margin_of_doubt, f"token {step} is {ours}, not {theirs}")
                return  # from here on the contexts differ

    def test_greedy_ids_equal_transformers(self):
        for case in cases():
            with self.subTest(case["prompt"]):
                self.assert_greedy_ids(answer(case)["token_ids"], case)

    def test_prompt_text_gives_the_reference_token_ids(self):
        for case in cases():
            with self.subTest(case["prompt"]):
                result = weft.generate(weft.SMOLLM2, "--prompt", case["prompt"], "--max-tokens", 8, "--ignore-eos")
                self.assertEqual(result["prompt_token_ids"], case["token_ids"])
                self.assertEqual(result["token_ids"], case["greedy_ids"][:8])
                self.assertIsInstance(result["text"], str)

    def test_same_bits_on_any_ranks_and_threads(self):
        case = cases()[0]
        one = answer(case, "--threads", 1)
        self.assertRegex(one["fingerprint"], "^[0-9a-f]{16}$")
        for ranks, threads in ((0, 2), (1, 1), (2, 1), (2, 2), (3, 1), (4, 1)):
            with self.subTest(ranks=ranks, threads=threads):
                other = answer(case, "--threads", threads, ranks=ranks)
                self.assertEqual(other["fingerprint"], one["fingerprint"])
                self.assertEqual(other["token_ids"], one["token_ids"])

    def test_same_bits_in_quantised_arithmetic(self):
        case = cases()[1]
        one = answer(case, "--threads", 1, dtype="q8")
        for flags in (["--threads", 2], ["--max-batch-tokens", 7], ["--block-size", 16]):
            with self.subTest(flags):
                self.assertEqual(answer(case, *flags, dtype="q8")["fingerprint"], one["fingerprint"])
        with self.subTest("3 ranks"):
            self.assertEqual(answer(case, "--threads", 1, dtype="q8", ranks=3)["fingerprint"], one["fingerprint"])

    def test_auto_arithmetic_is_close_to_f32(self):
        with tempfile.TemporaryDirectory() as folder:
            input_path, logits = os.path.join(folder, "cases.json"), {}
            with open(input_path, "w", encoding="utf-8") as f:
                json.dump({"cases": [{"input_ids": case["token_ids"]} for case in cases()]}, f)
            for dtype in ("f32", "auto"):
                output = os.path.join(folder, dtype)
                done = weft.run("score", "--model", weft.SMOLLM2, "--dtype", dtype, "--input", input_path, "--output", output)
                self.assertEqual(done.code, 0, done.err)
                logits[dtype] = weft.read_safetensors(output)
            for name, exact in logits["f32"].items():
                distance = weft.relative_l2(logits["auto"][name], exact)
                print(f"{name}: relative L2 {distance:.4f}")
                self.assertLessEqual(distance, 5e-2, name)
        for case in cases():
            ids = answer(case, dtype="auto")["token_ids"]
            with self.subTest(case["prompt"]):
                self.assert_greedy_ids(ids, case, margin_of_doubt=1.0)

    def test_same_bits_in_any_prefill_chunk(self):
        case = cases()[1]
        whole = answer(case)["fingerprint"]
        for rows in (1, 7, 32):
            with self.subTest(rows):
                self.assertEqual(answer(case, "--max-batch-tokens", rows)["fingerprint"], whole)


if __name__ == "__main__":
    unittest.main()
