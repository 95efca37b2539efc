#!/usr/bin/env python3
"""`weft score` on every tiny golden model: right against transformers, and one file whatever the number of MPI ranks."""
import os
import tempfile
import unittest

import weft


def is_moe(directory):
    path = os.path.join(directory, "config.json")
    return os.path.exists(path) and "num_experts_per_tok" in weft.read_text(path)


def score(name, output, ranks=0, *flags):
    directory = os.path.join(weft.GOLDEN, name)
    gguf = os.path.join(directory, "model.gguf")
    return weft.run("score", "--model", gguf if os.path.exists(gguf) else directory, "--input", os.path.join(directory, "cases.json"),
                    "--output", output, "--dtype", "f32", "--threads", 1, *flags, ranks=ranks)


class Score(unittest.TestCase):
    def score(self, name, ranks, *flags):
        """The output file's bytes."""
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "out.safetensors")
            done = score(name, output, ranks, *flags)
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual(done.out, "")
            self.tensors = weft.read_safetensors(output)
            with open(output, "rb") as f:
                return f.read()

    def assert_golden(self, tensors, name):
        golden = weft.read_safetensors(os.path.join(weft.GOLDEN, name, "golden.safetensors"))
        self.assertEqual(tensors.keys(), golden.keys())
        tolerance = 1e-4 if is_moe(os.path.join(weft.GOLDEN, name)) else 1e-5
        for key in golden:
            if key.startswith("logits."):
                self.assertLessEqual(weft.relative_l2(tensors[key], golden[key]), tolerance, key)
            else:
                self.assertEqual(tensors[key], golden[key], key)

    def test_answers_like_transformers(self):
        for name in sorted(os.listdir(weft.GOLDEN)):
            with self.subTest(name):
                self.score(name, 0)
                self.assert_golden(self.tensors, name)

    def test_same_bits_over_mpi_ranks(self):
        for name in sorted(os.listdir(weft.GOLDEN)):
            with self.subTest(name):
                alone = self.score(name, 0)
                for ranks in (1, 2, 3, 4):
                    self.assertEqual(self.score(name, ranks), alone, f"{ranks} ranks")

    def test_same_bits_with_any_degree_of_expert_parallelism(self):
        for name in sorted(os.listdir(weft.GOLDEN)):
            if not is_moe(os.path.join(weft.GOLDEN, name)):
                continue
            alone = self.score(name, 0)
            for ranks, ep in ((3, 1), (3, 2), (4, 2), (4, 3)):
                with self.subTest(name, ranks=ranks, ep=ep):
                    self.assertEqual(self.score(name, ranks, "--ep", ep), alone)

    def test_converted_models_answer_like_transformers(self):
        """Through a GGUF in f32, which holds every 16-bit weight. The architecture "llama" stores the rows of q and k in another
        order, so bits may differ from the directory's."""
        inexpressible = {"qwen2_window": "use_sliding_window", "qwen3_moe_mixed": "norm_topk_prob"}
        for name in sorted(os.listdir(weft.GOLDEN)):
            directory = os.path.join(weft.GOLDEN, name)
            if not os.path.exists(os.path.join(directory, "config.json")):
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as scratch:
                gguf, output = os.path.join(scratch, "model.gguf"), os.path.join(scratch, "out.safetensors")
                done = weft.run("convert", "--model", directory, "--type", "f32", "--output", gguf)
                if name in inexpressible:
                    self.assertEqual(done.code, 2)
                    self.assertIn(inexpressible[name], done.err)
                    continue
                self.assertEqual(done.code, 0, done.err)
                done = weft.run("score", "--model", gguf, "--input", os.path.join(directory, "cases.json"), "--output", output,
                                "--dtype", "f32")
                self.assertEqual(done.code, 0, done.err)
                self.assert_golden(weft.read_safetensors(output), name)


if __name__ == "__main__":
    unittest.main()
