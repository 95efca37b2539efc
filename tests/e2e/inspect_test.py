#!/usr/bin/env python3
"""`weft inspect`: several models in a call, stored types, what context and batch take, what fits."""
import json
import os
import resource
import tempfile
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

    def test_weights(self):
        one, = inspect(GGUF, "--weights")
        self.assertEqual(sum(t["bytes"] for t in one["weights"]), one["weight_bytes"])
        self.assertEqual({t["share"] for t in one["weights"]}, {"none"})
        self.assertNotIn("weights", inspect(GGUF)[0])
        moe, = inspect(os.path.join(CONFIGS, "mixtral-8x7b.json"), "--weights", "--tp", "3", "--ep", "3")
        by_name = {t["name"]: t for t in moe["weights"]}
        up, o = (by_name["model.layers.31." + name] for name in ("block_sparse_moe.experts.{e}.w3.weight", "self_attn.o_proj.weight"))
        self.assertEqual((up["tensors"], up["shape"], up["dtype"], up["component"], up["share"]),
                         (8, [14336, 4096], "bf16", "experts", "experts"))
        self.assertEqual([size // (14336 * 4096 * 2) for size in up["rank_bytes"]], [3, 3, 2])
        self.assertEqual((o["share"], [size // (4096 * 128 * 2) for size in o["rank_bytes"]]), ("columns", [11, 11, 10]))
        self.assertEqual([by_name[f"model.layers.0.{name}.weight"]["share"] for name in ("self_attn.q_proj", "input_layernorm")],
                         ["rows", "none"])
        for rank, of_rank in enumerate(moe["ranks"]):
            self.assertEqual(sum(t["rank_bytes"][rank] for t in moe["weights"]), of_rank["weight_bytes"])
        layers = [t["name"].split(".")[2] for t in moe["weights"] if t["name"].startswith("model.layers.")]
        self.assertEqual(layers, sorted(layers, key=int))
        text = weft.run("inspect", os.path.join(CONFIGS, "mixtral-8x7b.json"), "--weights", "--tp", "3", "--ep", "3").out
        self.assertRegex(text, r"model.layers.31.block_sparse_moe.experts.\{e\}.w3.weight +8 x \(14336, 4096\) bf16 +experts")

    def test_many_experts_on_many_ranks(self):
        with open(os.path.join(CONFIGS, "qwen3-30b-a3b.json"), encoding="utf-8") as f:
            config = json.load(f)
        config.update(num_hidden_layers=58, num_experts=256, num_attention_heads=128, num_key_value_heads=8)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(config, f)
            f.flush()
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            model, = inspect(f.name, "--tp", "64", "--ep", "64", "--weights")
            seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        self.assertEqual(len(model["ranks"]), 64)
        self.assertLess(seconds, 1)  # 0.03 s, far from the half a minute that a loop over every rank's every expert takes

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
