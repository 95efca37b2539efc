#!/usr/bin/env python3
"""The tables of docs/formats.md name exactly the fields that the commands print and take."""
import json
import os
import re
import tempfile
import unittest

import weft
from grpc_server import Server

MODEL = os.path.join(weft.GOLDEN, "llama3")


def tables():
    """{heading: names in the first column of the table under it}"""
    found, heading = {}, None
    with open(os.path.join(weft.SOURCE, "docs", "formats.md"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("#"):
                heading = line.strip("# \n").replace("`", "")
            elif name := re.match(r"\| `([^`]+)` \|", line):
                found.setdefault(heading, []).append(name[1])
    return found


def names(value, prefix=""):
    """Of all fields in a JSON value: timings.load_s, ranks[].rank."""
    if isinstance(value, dict) and value:
        return {name for key, item in value.items() for name in names(item, f"{prefix}.{key}" if prefix else key)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {name for item in value for name in names(item, prefix + "[]")}
    return {prefix}


class Formats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tables = tables()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def write(self, name, value):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(value if isinstance(value, str) else json.dumps(value))
        return path

    def output(self, *args, code=0):
        done = weft.run(*args)
        self.assertEqual(done.code, code, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def is_documented(self, heading, value, more=()):
        self.assertEqual(names(value), {*self.tables[heading], *more})

    def test_outputs(self):
        for heading, more, args in (
                ("weft generate --json", (), ["generate", "--model", MODEL, "--prompt", "a", "--max-tokens", 2, "--json"]),
                ("weft tokenize", (), ["tokenize", "--model", MODEL, "--input", self.write("texts.json", {"texts": ["a"]})]),
                ("weft inspect --json", (), ["inspect", MODEL, "--weights", "--json"]),
                ("weft bench model --json", self.tables["every weft bench --json"],
                 ["bench", "model", "--model", MODEL, "--pp", 4, "--tg", 2, "--repetitions", 1, "--json"]),
                ("weft bench ops --json", self.tables["every weft bench --json"],
                 ["bench", "ops", "--filter", "rms_norm/0x64", "--threads", 1, "--json"]),
                ("weft bench comm --json", self.tables["every weft bench --json"],
                 ["bench", "comm", "--sizes", 1024, "--iterations", 1, "--json"])):
            with self.subTest(heading):
                self.is_documented(heading, self.output(*args)[0], more)

    def test_score(self):
        case = {"input_ids": [1, 2], "attention_mask": [1, 1]}
        tables = self.tables["weft score --input"]
        cases = {"cases": [case], "greedy_tokens": 1, "greedy_logits": True}
        self.assertEqual(names(cases), set(tables))
        output = os.path.join(self.folder.name, "scores.safetensors")
        self.output("score", "--model", MODEL, "--output", output, "--input",
                    self.write("cases.json", cases))
        self.assertEqual(set(weft.read_safetensors(output)), {t.replace(".i", ".0") for t in self.tables["weft score --output"]})

    # What a chat and a line of a batch may hold is told where they hold something else.
    def test_requests(self):
        chat = self.write("chat.json", {"messages": [{"role": "user"}], "other": 1})
        done = weft.run("generate", "--model", MODEL, "--chat-file", chat)
        self.assertEqual(done.code, 2)
        self.assertEqual(re.search(r"it may have (.*)", done.err)[1].split(", "), self.tables["Chat files"])
        batch = self.write("batch.jsonl", '{"prompt": "a", "other": 1}')
        done = weft.run("client", "--target", "127.0.0.1:1", "--batch", batch)
        self.assertEqual(done.code, 2)
        known = re.search(r"known are (.*)", done.err)[1]
        self.assertEqual(set(known.split(", ")), {*self.tables["Lines of a --batch file"], *self.tables["Chat files"]})

    def test_server(self):
        with Server(MODEL) as server:
            ask = ["client", "--target", server.address, "--max-tokens", 2]
            one = "weft client --json"
            self.is_documented(one, self.output(*ask, "--prompt", "a", "--json")[0])
            batch = self.write("batch.jsonl", '{"id": 1, "prompt": "a"}\n{"id": 2, "token_ids": [-1]}\n')
            lines = sorted(self.output(*ask, "--batch", batch, code=1), key=lambda line: line["index"])
            self.is_documented("weft client --batch", lines[1])
            self.assertEqual(names(lines[0]), {"index", "id", *self.tables[one]})
            self.is_documented("weft stats --json", self.output("stats", "--target", server.address, "--json")[0])


if __name__ == "__main__":
    unittest.main()
