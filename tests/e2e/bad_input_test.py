#!/usr/bin/env python3
"""Bad input over the command line: one clear sentence on stderr, the exit code of bad input, every rank ends."""
import json
import os
import re
import shutil
import socket
import struct
import tempfile
import unittest

import weft

BAD_INPUT = 2
IDS = ["--token-ids", "5,6,7"]
DENSE = os.path.join(weft.GOLDEN, "llama_bias")  # 4 heads
TEXT = os.path.join(weft.GOLDEN, "llama3")       # has a tokenizer; sharded
MOE = os.path.join(weft.GOLDEN, "mixtral")       # 5 experts
GGUF = os.path.join(weft.GOLDEN, "llama_gguf", "model.gguf")

needs_serve = unittest.skipUnless(re.search(r"^ +serve\b", weft.run("--help").out, re.M), "built without WEFT_SERVE")


class BadInput(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.scratch)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def changed(self, source, **config):
        """A copy of a model whose config.json has other values; None removes a key."""
        copy = tempfile.mkdtemp(dir=self.scratch)
        shutil.copytree(source, copy, dirs_exist_ok=True)
        path = os.path.join(copy, "config.json")
        with open(path, encoding="utf-8") as f:
            values = json.load(f)
        values.update(config)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({k: v for k, v in values.items() if v is not None}, f)
        return copy

    def without(self, source, name):
        copy = self.changed(source)
        os.remove(os.path.join(copy, name))
        return copy

    def refused(self, names, *args, ranks=0, command="generate"):
        """The command ends by itself, with one sentence that matches `names`."""
        log = ["--log-level", "error"] if command else []
        done = weft.run(*([command] if command else []), *args, *log, ranks=ranks, timeout=60)
        with self.subTest(args=args, ranks=ranks):
            self.assertIsNotNone(done.code, "it hung")
            lines = [line for line in done.err.splitlines() if line.strip()]
            ours = [line for line in lines if re.match(f"(?:{weft.LOG_LINE})|weft: ", line)]
            self.assertEqual(len(ours), 1, done.err)
            self.assertRegex(ours[0], names)
            self.assertNotRegex(done.err, r"terminate called|Segmentation|Assertion|what\(\)|\.cpp:\d")
            self.assertEqual(done.code, BAD_INPUT, done.err)
            if not ranks:
                self.assertEqual(lines, ours)

    def test_command_line(self):
        self.refused("subcommand|command", command=None)
        self.refused("frobnicate", "frobnicate", command=None)
        self.refused("model", *IDS)
        self.refused("prompt", "--model", DENSE)
        self.refused("prompt|token-ids", "--model", TEXT, "--prompt", "a", *IDS)
        self.refused("no-such-flag", "--model", DENSE, *IDS, "--no-such-flag")
        for flag, value in (("--max-tokens", -3), ("--max-tokens", 0), ("--max-tokens", "many"), ("--temperature", -1),
                            ("--temperature", "nan"), ("--top-p", 0), ("--top-p", 2), ("--top-k", -1), ("--min-p", 1.5),
                            ("--repetition-penalty", 0), ("--threads", 0), ("--threads", -1), ("--threads", 1000000),
                            ("--dtype", "f8"), ("--kv-dtype", "q4"), ("--device", "tpu"), ("--block-size", 17), ("--max-seqs", 0),
                            ("--max-batch-tokens", 0), ("--max-model-len", -1), ("--kv-memory", "-5"), ("--log-level", "loud")):
            self.refused(flag.strip("-"), "--model", DENSE, *IDS, flag, value)

    def test_token_ids_and_prompts(self):
        for ids in ("", "1,,2", "1,2,", "x", "1 2", "99999999999999999999"):
            self.refused("token-ids|token ids", "--model", DENSE, "--token-ids", ids)
        self.refused("229.*0 to 228", "--model", DENSE, "--token-ids", "1,229")
        self.refused("-1", "--model", DENSE, "--token-ids=-1")
        self.refused("empty", "--model", TEXT, "--prompt", "")
        self.refused("20 tokens.*8|8", "--model", DENSE, "--token-ids", ",".join(["3"] * 20), "--max-model-len", 8)
        self.refused("no-such-file", "--model", TEXT, "--prompt-file", self.path("no-such-file"))
        self.refused("UTF-8", "--model", TEXT, "--prompt-file", self.write("latin1", b"caf\xe9 au lait"))
        self.refused("tokenizer", "--model", DENSE, "--prompt", "this model has no tokenizer")
        self.refused("chat", "--model", TEXT, "--prompt", "this model has no chat template", "--chat")

    def test_input_is_checked_before_weights_are_read(self):
        def cases(name, *ids):
            return self.write(name, json.dumps({"cases": [{"input_ids": list(i)} for i in ids]}).encode())

        latin1, long = self.write("latin1", b"caf\xe9 au lait"), ",".join(["3"] * 20)
        for names, args, ranks in (
                ("cannot read --prompt-file", ["generate", "--prompt-file", self.path("none")], 0),
                ("cannot read --prompt-file", ["generate", "--prompt-file", self.path("none")], 2),
                ("cannot read --chat-file", ["generate", "--chat-file", self.path("none")], 2),
                ("UTF-8", ["generate", "--prompt-file", latin1], 0),
                ("stop string is not valid UTF-8", ["generate", "--prompt", "a", "--stop", b"\xe9".decode(errors="surrogateescape")], 0),
                ("99999.*out of range", ["generate", "--token-ids", "1,99999"], 2),
                ("20 tokens", ["generate", "--token-ids", long, "--max-model-len", 8], 0),
                ("no room to generate", ["generate", "--token-ids", long, "--max-model-len", 20], 0),
                ("cannot read --input", ["score", "--input", self.path("none"), "--output", self.path("out")], 2),
                ("case 1.*99999.*out of range", ["score", "--input", cases("far", [1], [99999]), "--output", self.path("out")], 0),
                ("case 0.*exceed", ["score", "--input", cases("long", [1] * 20), "--output", self.path("out"), "--max-model-len", 8], 0),
                ("--pp 8", ["bench", "model", "--pp", 8, "--max-model-len", 8], 0)):
            done = weft.run(*args, "--model", TEXT, ranks=ranks, timeout=60)
            with self.subTest(args=args):
                self.assertEqual(done.code, BAD_INPUT, done.err)
                self.assertRegex(done.err, names)
                self.assertNotIn("KV cache", done.err)  # the line that tells what was loaded

    def test_files_that_are_missing_or_broken(self):
        self.refused("/no/such/model.*does not exist", "--model", "/no/such/model", *IDS)
        self.refused("config.json", "--model", self.scratch, *IDS)
        self.refused("model.safetensors", "--model", self.without(DENSE, "model.safetensors"), *IDS)
        self.refused("config.json", "--model", self.without(DENSE, "config.json"), *IDS)
        shard = next(n for n in sorted(os.listdir(TEXT)) if n.startswith("model-00002"))
        self.refused(shard, "--model", self.without(TEXT, shard), *IDS)
        self.refused("empty", "--model", self.write("empty.gguf", b""), *IDS)
        self.refused("GGUF", "--model", self.write("noise.gguf", os.urandom(4096)), *IDS)
        self.refused("version 77", "--model", self.write("future.gguf", b"GGUF" + struct.pack("<IQQ", 77, 1, 1)), *IDS)
        self.refused("claims", "--model", self.write("huge.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60)), *IDS)
        with open(GGUF, "rb") as f:
            gguf = f.read()
        for part in (10, 30, 1000, len(gguf) // 2, len(gguf) - 32):
            self.refused("cut.gguf", "--model", self.write("cut.gguf", gguf[:part]), *IDS)

    def test_broken_safetensors(self):
        with open(os.path.join(DENSE, "model.safetensors"), "rb") as f:
            good = f.read()
        for bad in (b"", good[:5], good[:100], good[:len(good) // 2], good[:-1], good + b"x",
                    struct.pack("<Q", 2**63) + good[8:], struct.pack("<Q", 4) + b"{}, ", good[:8] + b"x" + good[9:]):
            copy = self.changed(DENSE)
            with open(os.path.join(copy, "model.safetensors"), "wb") as f:
                f.write(bad)
            self.refused("model.safetensors", "--model", copy, *IDS)

    def test_configs_that_do_not_fit(self):
        for names, changes in (
                ("gptx", {"model_type": "gptx"}),
                ("the config asks for .*4096", {"hidden_size": None}),  # the class's default
                ("hidden_size", {"hidden_size": "60"}),
                ("hidden_size", {"hidden_size": -60}),
                ("num_attention_heads|heads", {"num_key_value_heads": 3}),
                ("num_attention_heads", {"num_attention_heads": 0}),
                ("hidden_act", {"hidden_act": "relu6"}),
                ("rope", {"rope_parameters": {"rope_type": "spiral", "rope_theta": 10000.0}}),
                ("embed_tokens|shape", {"vocab_size": 230}),
                ("shape", {"hidden_size": 64}),
                ("shape", {"intermediate_size": 200}),
                ("layers.2", {"num_hidden_layers": 3}),
                ("layers.1", {"num_hidden_layers": 1}),
                ("bias", {"attention_bias": False})):
            self.refused(names, "--model", self.changed(DENSE, **changes), *IDS)
        self.refused("num_experts_per_tok", "--model", self.changed(MOE, num_experts_per_tok=6), *IDS)
        self.refused(r"gate.*\(6, 44\)", "--model", self.changed(MOE, num_local_experts=6), *IDS)
        copy = self.changed(DENSE)
        with open(os.path.join(copy, "config.json"), "w", encoding="utf-8") as f:
            f.write('{"model_type": "llama", ')
        self.refused("JSON", "--model", copy, *IDS)

    def test_mesh(self):
        self.refused("tp", "--model", DENSE, *IDS, "--tp", 2)
        self.refused("dp", "--model", DENSE, *IDS, "--dp", 2)
        self.refused("pp", "--model", DENSE, *IDS, "--pp", 2)
        self.refused("tp", "--model", DENSE, *IDS, "--tp", 3, ranks=2)
        self.refused("dp", "--model", DENSE, *IDS, "--dp", 2, ranks=2)
        self.refused("pp", "--model", DENSE, *IDS, "--pp", 2, ranks=2)
        self.refused("head", "--model", DENSE, *IDS, ranks=5)
        self.refused("ep", "--model", DENSE, *IDS, "--ep", 2, ranks=2)
        self.refused("ep", "--model", MOE, *IDS, "--ep", 3, ranks=2)
        self.refused("ep", "--model", MOE, *IDS, "--ep", 6, ranks=2)
        self.refused("9", "--model", os.path.join(weft.GOLDEN, "llama_bf16"), *IDS, "--tp", 10, ranks=10)

    def test_every_rank_ends_under_mpirun(self):
        self.refused("does not exist", "--model", "/no/such/model", *IDS, ranks=2)
        with open(GGUF, "rb") as f:
            gguf = f.read()
        self.refused("cut.gguf", "--model", self.write("cut.gguf", gguf[:len(gguf) // 2]), *IDS, ranks=3)
        self.refused("layers.2", "--model", self.changed(DENSE, num_hidden_layers=3), *IDS, ranks=2)
        self.refused("out of range", "--model", DENSE, "--token-ids", "1,229", ranks=2)
        self.refused("8", "--model", DENSE, "--token-ids", ",".join(["3"] * 20), "--max-model-len", 8, ranks=2)
        self.refused("empty", "--model", TEXT, "--prompt", "", ranks=2)
        self.refused("max-tokens", "--model", DENSE, *IDS, "--max-tokens", -1, ranks=2)

    def test_score_input(self):
        out = ["--output", self.path("out.safetensors")]
        for names, text in (("JSON", "{"), ("cases", "{}"), ("cases", '{"cases": []}'), ("tokens", '{"cases": [], "tokens": 3}'),
                            ("input_ids", '{"cases": [{"ids": [1]}]}'), ("empty", '{"cases": [{"input_ids": []}]}'),
                            ("900", '{"cases": [{"input_ids": [1]}, {"input_ids": [900]}]}'),
                            ("integer", '{"cases": [{"input_ids": [1.5]}]}'),
                            ("greedy_tokens", '{"cases": [{"input_ids": [1]}], "greedy_tokens": -1}'),
                            ("greedy_logits", '{"cases": [{"input_ids": [1]}], "greedy_logits": 1}'),
                            ("decoder_input_ids", '{"cases": [{"input_ids": [1], "decoder_input_ids": [1]}]}')):
            file = self.write("cases.json", text.encode())
            self.refused(names, "--model", DENSE, "--input", file, *out, command="score")
            self.assertFalse(os.path.exists(self.path("out.safetensors")), "output of a refused input")
        self.refused("nowhere", "--model", DENSE, "--input", self.path("nowhere"), *out, command="score")
        cases = os.path.join(DENSE, "cases.json")
        self.refused("/no/dir", "--model", DENSE, "--input", cases, "--output", "/no/dir/out", command="score")
        self.refused("empty", "--model", DENSE, "--input", self.write("c.json", b'{"cases": [{"input_ids": []}]}'), *out,
                     command="score", ranks=2)

    def test_model_tools(self):
        out = ["--output", self.path("out")]
        self.refused("q9_9", "--model", DENSE, "--type", "q9_9", *out, command="convert")
        self.refused("does not exist", "--model", "/no/such", "--type", "q8_0", *out, command="convert")
        self.refused("top-k", "--model", DENSE, "--experts", 4, "--top-k", 5, *out, command="upcycle")
        self.refused("experts", "--model", DENSE, "--experts", 0, "--top-k", 1, *out, command="upcycle")
        self.refused("mixtral", "--model", MOE, "--experts", 4, "--top-k", 2, *out, command="upcycle")
        self.refused("does not exist|no-such", "no-such-config.json", command="inspect")
        self.refused("texts|JSON", "--model", TEXT, "--input", self.write("t.json", b"[]"), command="tokenize")

    @needs_serve
    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refused(address.rsplit(":", 1)[1], "--model", TEXT, "--listen", address, command="serve")

    @needs_serve
    def test_listen_address(self):
        for address in ("nonsense", "127.0.0.1:notaport", "127.0.0.1:99999"):
            self.refused("listen", "--model", TEXT, "--listen", address, command="serve")


if __name__ == "__main__":
    unittest.main()
