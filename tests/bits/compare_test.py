#!/usr/bin/env python3
"""compare.py finds one flipped bit, wherever it lies, and a build that fails. WEFT_BIN names the command."""
import contextlib
import os
import stat
import tempfile
import unittest

import compare

WEFT = os.environ.get("WEFT_BIN", os.path.join(compare.SOURCE, "build", "weft"))

# Runs weft, then flips the lowest bit of a float of the tensor.
FLIPS = """#!/usr/bin/env python3
import json, subprocess, sys
done = subprocess.run([{weft!r}, *sys.argv[1:]])
path = sys.argv[sys.argv.index("--output") + 1]
data = bytearray(open(path, "rb").read())
size = int.from_bytes(data[:8], "little")
data[8 + size + json.loads(data[8:8 + size])[{tensor!r}]["data_offsets"][0] + 4 * {index}] ^= 1
open(path, "wb").write(data)
sys.exit(done.returncode)
"""


@contextlib.contextmanager
def script(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weft")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, stat.S_IRWXU)
        yield path


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = next(model for model in compare.models() if model.name == "llama2")  # a vocabulary of 211

    def faults(self, new):
        return compare.compare(WEFT, new, self.model, "q8", ((0, compare.CHUNKS),))

    def test_the_same_build_gives_the_same_bits(self):
        self.assertEqual(self.faults(WEFT), [])

    def test_one_flipped_bit(self):
        for tensor, index, where in (("logits.0", 0, "logits.0[(0, 0)] of [1, 211]"),
                                     ("logits.4", 69 * 211 + 210, "logits.4[(69, 210)] of [70, 211]"),
                                     ("greedy_ids.2", 23, "greedy_ids.2[23] of [24]"),
                                     ("greedy_logits.4", 23 * 211 + 210, "greedy_logits.4[(23, 210)] of [24, 211]")):
            with self.subTest(tensor), script(FLIPS.format(weft=WEFT, tensor=tensor, index=index)) as new:
                [fault] = self.faults(new)
                self.assertIn(where, fault)

    def test_a_build_that_fails(self):
        with script("#!/bin/sh\necho no such model >&2\nexit 2\n") as new:
            [fault] = self.faults(new)
            self.assertIn("failed with 2: no such model", fault)


if __name__ == "__main__":
    unittest.main()
