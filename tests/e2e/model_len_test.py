#!/usr/bin/env python3
"""--max-model-len beyond what a model was trained for: one warning, in every command that takes it."""
import os
import tempfile
import unittest

import weft
from grpc_server import Server, TINY

TRAINED = 256
SENTENCE = f"--max-model-len {{}} is beyond the {TRAINED} tokens that the model was trained for; answers get worse there"


class ModelLen(unittest.TestCase):
    def test_every_command(self):
        with tempfile.TemporaryDirectory() as folder:
            cases = os.path.join(folder, "cases.json")
            with open(cases, "w", encoding="utf-8") as f:
                f.write('{"cases": [{"input_ids": [1, 2, 3]}]}')
            for ranks, args in ((2, ["generate", "--model", TINY, "--token-ids", "1,2", "--max-tokens", 2]),
                                (0, ["score", "--model", TINY, "--input", cases, "--output", os.path.join(folder, "out")]),
                                (0, ["bench", "model", "--model", TINY, "--pp", 4, "--tg", 2, "--repetitions", 1]),
                                (0, ["inspect", TINY])):
                for length in (TRAINED, TRAINED + 1):
                    with self.subTest(args[0], length=length):
                        done = weft.run(*args, "--max-model-len", length, ranks=ranks)
                        self.assertEqual(done.code, 0, done.err)
                        self.assertEqual(done.err.count(SENTENCE.format(length)), int(length > TRAINED), done.err)

    def test_server(self):
        with Server(TINY, "--max-model-len", TRAINED + 1) as server:
            weft.run("client", "--target", server.address, "--prompt", "a", "--max-tokens", 2)
        self.assertEqual("".join(server.log).count(SENTENCE.format(TRAINED + 1)), 1, server.log)


if __name__ == "__main__":
    unittest.main()
