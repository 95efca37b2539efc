#!/usr/bin/env python3
"""`weft upcycle`: an MoE whose experts are copies of a dense model's MLP says what the dense model says, over any expert
parallelism, with tokens really travelling between ranks."""
import os
import re
import tempfile
import unittest

import weft
from smollm2_test import cases

TOKENS = 32


class Upcycle(unittest.TestCase):
    def check(self, model, prompt_flags, scratch):
        moe = os.path.join(scratch, "moe")
        done = weft.run("upcycle", "--model", model, "--experts", 4, "--top-k", 2, "--output", moe, timeout=300)
        self.assertEqual(done.code, 0, done.err)
        flags = [*prompt_flags, "--max-tokens", TOKENS, "--ignore-eos", "--threads", 1]
        dense = weft.generate(model, *flags)
        fingerprints = set()
        for ranks, ep in ((0, 1), (1, 1), (2, 2), (3, 3), (4, 4), (2, 1), (4, 1), (4, 2)):
            with self.subTest(ranks=ranks, ep=ep):
                sparse = weft.generate(moe, *flags, "--ep", ep, ranks=ranks)
                self.assertEqual(sparse["token_ids"], dense["token_ids"])
                self.assertEqual(sparse["text"], dense["text"])
                self.assertIn(f"ep={ep}", sparse["mesh"])
                fingerprints.add(sparse["fingerprint"])
                if ep > 1:
                    sent = int(re.search(r"sent (\d+) bytes of tokens and results", sparse["log"])[1])
                    print(f"{os.path.basename(model)} on {ranks} ranks: rank 0 sent {sent} bytes of tokens and results")
                    self.assertGreater(sent, 0)
        self.assertEqual(len(fingerprints), 1, "the bits depend on the mesh")

    def test_tiny_model(self):
        with tempfile.TemporaryDirectory() as scratch:
            ids = [(7 * i) % 200 for i in range(60)]
            self.check(os.path.join(weft.GOLDEN, "llama2"), ["--token-ids", weft.join_ids(ids)], scratch)

    @weft.needs_smollm2
    def test_smollm2(self):
        with tempfile.TemporaryDirectory() as scratch:
            self.check(weft.SMOLLM2, ["--prompt", cases()[1]["prompt"]], scratch)


if __name__ == "__main__":
    unittest.main()
