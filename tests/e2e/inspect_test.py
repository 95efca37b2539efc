#!/usr/bin/env python3
"""`weft inspect`: several models in a call, stored types, what context and batch take, what fits."""
import json
import os
import unittest

import weft

DENSE, GGUF = (os.path.join(weft.GOLDEN, name) for name in ("llama3", os.path.join("llama_gguf", "model.gguf")))
CONFIGS = os.path.join(weft.SOURCE, "configs", "models")
LLAMA_7B, LLAMA_70B = (os.path.join(CONFIGS, name) for name in ("llama-2-7b.json", "llama-3.1-70b.json"))
MIB, GIB = 1 << 20, 1 << 30


def inspect(*args):
    done = weft.run("inspect", *args, "--json")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


class Inspect(unittest.TestCase):
    def test_stored_types(self):
        dense, gguf, config = inspect(DENSE, GGUF, LLAMA_7B)
        self.assertEqual([model["path"] for model in (dense, gguf, config)], [DENSE, GGUF, LLAMA_7B])
        self.assertEqual([t["dtype"] for t in dense["types"]], ["f32"])
        self.assertEqual(config["types"], [])
        # Blocks of 32 weights take 18 (q4_0) and 34 (q8_0) bytes.
        by_type = {t["dtype"]: t for t in gguf["types"]}
        for dtype, block in (("q4_0", 18), ("q8_0", 34), ("q4_1", 20), ("q5_0", 22), ("q5_1", 24)):
            if dtype in by_type:
                self.assertEqual(by_type[dtype]["bytes"], by_type[dtype]["parameters"] // 32 * block)
        self.assertTrue(any(dtype.startswith("q") for dtype in by_type), by_type)
        for model in (dense, gguf):
            self.assertEqual(sum(t["parameters"] for t in model["types"]), model["parameters"])
            self.assertEqual(sum(t["bytes"] for t in model["types"]), model["weight_bytes"])

    def test_context_times_batch(self):
        # Llama 2 7B: 32 layers of 32 KV heads of 128, K and V in f16: 512 KiB a token. Whole blocks of 32 tokens count.
        model, = inspect(LLAMA_7B, "--max-model-len", "4096,100", "--max-seqs", "1,8")
        self.assertEqual([(n["max_model_len"], n["max_seqs"], n["kv_bytes"] // MIB) for n in model["needs"]],
                         [(4096, 1, 2048), (4096, 8, 16384), (100, 1, 64), (100, 8, 512)])
        for need in model["needs"]:
            self.assertEqual(need["rank_bytes"], model["weight_bytes"] + need["kv_bytes"])
            self.assertIsNone(need["fits"])
        need = inspect(LLAMA_7B, "--max-model-len", "4096", "--max-seqs", "8", "--tp", "4")[0]["needs"][0]
        self.assertEqual(need["kv_bytes"], 16 * GIB)
        self.assertLess(need["rank_bytes"], (model["weight_bytes"] + 16 * GIB) / 3.9)

    def test_what_fits(self):
        # 12.55 GiB of weights, and 256 MiB that Weft leaves to others.
        for memory, seqs, fits, ranks in (("16G", 1, True, 1), ("16G", 2, False, 2), ("14G", 1, False, 2), ("13G", 1, False, 2)):
            need = inspect(LLAMA_7B, "--max-model-len", 4096, "--max-seqs", seqs, "--memory", memory)[0]["needs"][0]
            self.assertEqual((need["fits"], need["fewest_ranks"]), (fits, ranks), (memory, seqs))
        flags = ("--max-model-len", 4096, "--max-seqs", 8, "--memory", "2G")
        fewest = inspect(LLAMA_7B, *flags)[0]["needs"][0]["fewest_ranks"]
        for ranks in (fewest - 1, fewest):
            self.assertEqual(inspect(LLAMA_7B, *flags, "--tp", ranks)[0]["needs"][0]["fits"], ranks == fewest)
        need = inspect(LLAMA_70B, "--max-model-len", 131072, "--max-seqs", 64, "--memory", "16G")[0]["needs"][0]
        self.assertEqual((need["fits"], need["fewest_ranks"]), (False, None))

    def test_table(self):
        done = weft.run("inspect", LLAMA_7B, GGUF, "--max-model-len", "64,128", "--max-seqs", 1, "--memory", "16G")
        self.assertEqual(done.code, 0, done.err)
        head, *rows = done.out.splitlines()
        self.assertIn("fits in 16384.0 MiB a rank", head)
        self.assertEqual([row.split()[0] for row in rows], [LLAMA_7B, LLAMA_7B, GGUF, GGUF])
        self.assertTrue(all(" yes " in row for row in rows), rows)
        self.assertRegex(rows[3], r"\d+ q\w+")

    def test_refusals(self):
        for args, sentence in ((("--memory", "0"), "--memory"), (("--max-seqs", "0"), "--max-seqs"), (("--max-model-len", "1,x"), "--max-model-len"),
                               (("no-such",), "no-such does not exist")):
            done = weft.run("inspect", LLAMA_7B, *args)
            self.assertEqual((done.code, done.out), (2, ""))
            self.assertIn(sentence, done.err)


if __name__ == "__main__":
    unittest.main()
