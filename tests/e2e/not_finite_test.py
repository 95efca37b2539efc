#!/usr/bin/env python3
"""Checkpoints whose weights hold NaN, infinity or values that overflow: one sentence, whatever the command, --dtype and ranks."""
import json
import os
import re
import shutil
import struct
import tempfile
import unittest

import weft
from grpc_server import Server

MODEL = os.path.join(weft.GOLDEN, "mixtral")  # bf16, with a router and a tokenizer
HIDDEN = 44
SPOILT_ID = 77  # a token whose embedding is NaN, in spoilt_token()
SENTENCE = r"the model's logits after (\d+) tokens? are not finite: its weights hold NaN, infinity or values too large for --dtype "


def spoil(directory, tensor, element, value):
    """Overwrites one element of a tensor."""
    with open(os.path.join(directory, "model.safetensors"), "r+b") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        entry = json.loads(f.read(size))[tensor]
        assert entry["dtype"] == "BF16"
        f.seek(8 + size + entry["data_offsets"][0] + 2 * element)
        f.write(struct.pack("<f", value)[2:])


class NotFinite(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def model(self, tensor, element, value):
        copy = tempfile.mkdtemp(dir=self.scratch.name)
        shutil.copytree(MODEL, copy, dirs_exist_ok=True)
        spoil(copy, tensor, element, value)
        return copy

    def spoilt_token(self):
        return self.model("model.embed_tokens.weight", SPOILT_ID * HIDDEN + 3, float("nan"))

    def fails(self, *args, ranks=0):
        """The command's only sentence, which is about logits."""
        done = weft.run(*args, "--log-level", "error", ranks=ranks, timeout=60)
        with self.subTest(args=args, ranks=ranks):
            self.assertEqual(done.code, 1, done.err)
            ours = [line for line in done.err.splitlines() if line.startswith("weft: ")]
            self.assertEqual(len(ours), 1, done.err)
            self.assertRegex(ours[0], SENTENCE)
            self.assertNotIn(".cpp", done.err)
            return ours[0]

    def test_generate(self):
        layer = "model.layers.0."
        for tensor, value in ((layer + "self_attn.q_proj.weight", "nan"), (layer + "self_attn.k_proj.weight", "inf"),
                              (layer + "self_attn.v_proj.weight", "-inf"), (layer + "input_layernorm.weight", "nan"),
                              (layer + "block_sparse_moe.gate.weight", "nan"), (layer + "block_sparse_moe.gate.weight", "inf"),
                              (layer + "block_sparse_moe.experts.1.w2.weight", "nan"), ("lm_head.weight", "inf"),
                              ("model.norm.weight", "3.3e38")):
            model = self.model(tensor, 5, float(value))
            for dtype in ("f32", "bf16", "f16", "q8"):
                self.fails("generate", "--model", model, "--token-ids", weft.join_ids(range(3, 50)), "--dtype", dtype)
            if "gate" in tensor:
                self.fails("generate", "--model", model, "--token-ids", weft.join_ids(range(3, 50)), ranks=3)

    def test_sampling_does_not_hide_it(self):
        model = self.spoilt_token()
        ids = weft.join_ids((3, SPOILT_ID))
        for flags in (("--temperature", 1), ("--temperature", 1e-45), ("--repetition-penalty", 1e-6), ("--temperature", 1, "--top-k", 1)):
            self.fails("generate", "--model", model, "--token-ids", ids, *flags)

    def test_score_writes_nothing(self):
        cases, out = os.path.join(self.scratch.name, "cases.json"), os.path.join(self.scratch.name, "out.safetensors")
        with open(cases, "w", encoding="utf-8") as f:
            json.dump({"cases": [{"input_ids": [5, 6]}, {"input_ids": [5, 6, 7, SPOILT_ID, 8]}]}, f)
        for ranks in (0, 2):
            sentence = self.fails("score", "--model", self.spoilt_token(), "--input", cases, "--output", out, ranks=ranks)
            self.assertRegex(sentence, "case 1: the model's logits after 4 tokens")
            self.assertFalse(os.path.exists(out))

    def test_a_server_ends_that_request_alone(self):
        batch = os.path.join(self.scratch.name, "batch.jsonl")
        with open(batch, "w", encoding="utf-8") as f:
            for ids in ([5, 6, 7], [5, 6, SPOILT_ID], [5, 6, 7]):
                print(json.dumps({"token_ids": ids}), file=f)
        with Server(self.spoilt_token(), "--ranks", 2) as server:
            done = weft.run("client", "--target", server.address, "--batch", batch, "--max-tokens", 20, "--ignore-eos")
            self.assertEqual(done.code, 1, done.err)
            answers = {answer["index"]: answer for answer in map(json.loads, done.out.splitlines())}
            self.assertRegex(answers[1]["error"], f"^{SENTENCE}")
            for i in (0, 2):
                self.assertEqual(len(answers[i]["token_ids"]), 20)
                self.assertEqual(answers[i]["token_ids"], answers[0]["token_ids"])
                self.assertEqual(answers[i]["replays"], 0)

    def test_extreme_parameters_end_in_a_server(self):
        with Server(MODEL) as server:
            def client(*flags):
                return weft.run("client", "--target", server.address, "--prompt", "a b c", "--max-tokens", 5, "--ignore-eos", *flags,
                                timeout=30)
            greedy = client()
            for flags in (("--temperature", "1e-45"), ("--temperature", "5e-38"), ("--temperature", "1e-38", "--top-p", "1e-45")):
                self.assertEqual(client(*flags).out, greedy.out, flags)
            for flags in (("--repetition-penalty", "1e-45"), ("--temperature", "1", "--repetition-penalty", "1e-6"),
                          ("--temperature", "100", "--min-p", "1"), ("--temperature", "100", "--top-k", "1")):
                self.assertEqual(client(*flags).code, 0, flags)
            for flags in (("--temperature", "100.5"), ("--repetition-penalty", "101"), ("--top-p", "0")):
                refused, alone = client(*flags), weft.run("generate", "--model", MODEL, "--token-ids", 5, *flags)
                self.assertEqual((refused.code, alone.code), (2, 2))
                self.assertEqual(refused.err, alone.err)
                self.assertTrue(re.search(r"must be (above )?0", alone.err), alone.err)


if __name__ == "__main__":
    unittest.main()
