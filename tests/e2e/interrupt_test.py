#!/usr/bin/env python3
"""Commands that write large files: interrupted in the middle they leave nothing, on file systems with and without O_TMPFILE."""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import weft

HERE = os.path.dirname(os.path.abspath(__file__))
WITHOUT_NAMELESS_FILES = [sys.executable, os.path.join(HERE, "without_nameless_files.py")]
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 8192,
          "num_hidden_layers": 8, "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 32000,
          "tie_word_embeddings": False, "torch_dtype": "float32"}


def write_large_model(path):
    """Gigabytes of zeros that take no room: nothing but the header is written."""
    hidden, inner, vocab = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
    shapes = {"model.embed_tokens.weight": [vocab, hidden], "lm_head.weight": [vocab, hidden], "model.norm.weight": [hidden]}
    for layer in range(CONFIG["num_hidden_layers"]):
        for name, shape in (("input_layernorm", [hidden]), ("post_attention_layernorm", [hidden]), ("self_attn.q_proj", [hidden, hidden]),
                            ("self_attn.k_proj", [hidden, hidden]), ("self_attn.v_proj", [hidden, hidden]),
                            ("self_attn.o_proj", [hidden, hidden]), ("mlp.gate_proj", [inner, hidden]),
                            ("mlp.up_proj", [inner, hidden]), ("mlp.down_proj", [hidden, inner])):
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * shape[0] * (shape + [1])[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as f:
        json.dump(CONFIG, f)
    with open(os.path.join(path, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + end)


class Interrupt(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(self.scratch.cleanup)
        self.model, self.output = (os.path.join(self.scratch.name, name) for name in ("model", "output"))
        os.mkdir(self.model)
        os.mkdir(self.output)
        write_large_model(self.model)

    def written(self, pid):
        """Bytes of the largest file that the process has open for writing below the output."""
        sizes = [0]
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith(self.output):
                    sizes.append(os.stat(f"/proc/{pid}/fd/{name}").st_size)
            except OSError:
                continue
        return max(sizes)

    def interrupt(self, deadly, through, *args):
        # Shells let what they start in the background ignore signals.
        process = subprocess.Popen([*through, weft.BIN, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(deadly, signal.SIG_DFL))
        deadline = time.monotonic() + 30
        while process.poll() is None and self.written(process.pid) < 1 << 20 and time.monotonic() < deadline:
            time.sleep(0.005)
        names = os.listdir(self.output)
        process.send_signal(deadly)
        err = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, -deadly, err)
        self.assertEqual(os.listdir(self.output), [], err)
        return names

    def test_nothing_is_left(self):
        convert = ("convert", "--model", self.model, "--type", "q8_0", "--output", os.path.join(self.output, "out.gguf"))
        upcycle = ("upcycle", "--model", self.model, "--experts", "2", "--top-k", "1", "--output", self.output)
        self.interrupt(signal.SIGINT, (), *convert)
        self.interrupt(signal.SIGTERM, (), *upcycle)
        beside, = self.interrupt(signal.SIGINT, WITHOUT_NAMELESS_FILES, *convert)
        self.assertRegex(beside, r"^out\.gguf\.partial\.\d+$")
        self.interrupt(signal.SIGHUP, WITHOUT_NAMELESS_FILES, *upcycle)

    def test_both_ways_write_the_same(self):
        files = []
        model = os.path.join(weft.GOLDEN, "llama2")
        for through in ((), WITHOUT_NAMELESS_FILES):
            path = os.path.join(self.output, "out.gguf")
            for _ in range(2):  # the second replaces the first
                done = weft.run("convert", "--model", model, "--type", "f16", "--output", path, through=through)
                self.assertEqual(done.code, 0, done.err)
                self.assertEqual(os.listdir(self.output), ["out.gguf"])
            with open(path, "rb") as f:
                files.append(f.read())
        self.assertEqual(*files)


if __name__ == "__main__":
    unittest.main()
