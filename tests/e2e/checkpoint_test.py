#!/usr/bin/env python3
"""One checkpoint through every command: what one refuses all refuse, with the same words; an own head counts; values that
are not finite stop a conversion unless it is told otherwise."""
import json
import os
import shutil
import struct
import tempfile
import unittest

import weft

MODEL = os.path.join(weft.GOLDEN, "qwen2")  # tied
DENSE = os.path.join(weft.GOLDEN, "llama2")
IDS = ("--token-ids", "5,6,7", "--max-tokens", "4")


def read(path):
    """(header, data) of a safetensors file."""
    with open(os.path.join(path, "model.safetensors"), "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        return json.loads(f.read(size)), bytearray(f.read())


def write(path, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(path, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


class Checkpoint(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.scratch)
        self.gguf = os.path.join(self.scratch, "out.gguf")

    def copy(self, model):
        path = os.path.join(self.scratch, "model")
        shutil.copytree(model, path)
        return path

    def convert(self, model, *args):
        return weft.run("convert", "--model", model, "--type", "f32", "--output", self.gguf, *args)

    def refused_by_all(self, model, sentence, inspect=True):
        for command in (("generate", "--model", model, *IDS), ("convert", "--model", model, "--type", "f32", "--output", self.gguf),
                        ("upcycle", "--model", model, "--experts", "2", "--top-k", "1", "--output", os.path.join(self.scratch, "moe")),
                        *([("inspect", model)] if inspect else [])):
            done = weft.run(*command)
            self.assertEqual(done.code, 2, (command, done.err))
            self.assertIn(sentence, done.err)

    def test_every_command_refuses_alike(self):
        model = self.copy(DENSE)
        with open(os.path.join(model, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as f:
            json.dump({**config, "is_causal": False}, f)
        self.refused_by_all(model, "config.json: is_causal = false is not supported with model_type llama, only true")
        with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        header, data = read(model)
        name = "model.layers.1.mlp.up_proj.weight"
        begin, end = header[name]["data_offsets"]
        header[name].update(dtype="F8_E4M3", shape=[4 * n if i == 0 else n for i, n in enumerate(header[name]["shape"])])
        write(model, header, data)
        self.refused_by_all(model, f'tensor "{name}" has type F8_E4M3', inspect=False)

    def test_an_own_head_of_a_tied_model(self):
        model = self.copy(MODEL)
        header, data = read(model)
        embedding = header["model.embed_tokens.weight"]
        begin, end = embedding["data_offsets"]
        head = bytearray(data[begin:end])
        header["lm_head.weight"] = {**embedding, "data_offsets": [len(data), len(data) + len(head)]}
        write(model, header, data + head)
        same = weft.generate(model, *IDS)
        self.assertEqual(same["fingerprint"], weft.generate(MODEL, *IDS)["fingerprint"])
        self.assertNotIn("lm_head", same["log"])
        head[3] ^= 1
        write(model, header, data + head)
        other = weft.generate(model, *IDS)
        self.assertNotEqual(other["fingerprint"], same["fingerprint"])
        self.assertIn("an lm_head of other values: it is used", other["log"])
        components = json.loads(weft.run("inspect", model, "--json").out)["components"]
        self.assertIn("head", [part["name"] for part in components])
        done = self.convert(model)
        self.assertIn("an lm_head of other values: it is used", done.err)
        self.assertEqual(weft.generate(self.gguf, *IDS)["fingerprint"], other["fingerprint"])

    def test_values_that_are_not_finite(self):
        model = self.copy(DENSE)
        header, data = read(model)
        begin = header["model.norm.weight"]["data_offsets"][0]
        struct.pack_into("<f", data, begin + 8, float("nan"))
        write(model, header, data)
        done = self.convert(model)
        self.assertEqual(done.code, 2)
        self.assertIn("tensor model.norm.weight holds nan at [2]; --allow-nonfinite", done.err)
        self.assertEqual(os.listdir(self.scratch), ["model"])
        self.assertEqual(self.convert(model, "--allow-nonfinite").code, 0)
        self.assertTrue(os.path.exists(self.gguf))


if __name__ == "__main__":
    unittest.main()
