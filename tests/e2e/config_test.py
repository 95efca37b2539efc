"""--config FILE of every command, --print-config, and the files under configs/."""
import glob
import json
import os
import tempfile
import unittest

import weft

MODEL = ["--model", os.path.join(weft.GOLDEN, "llama3")]
PROMPT = ["--token-ids", "1,2,3"]
CONFIGS = os.path.join(weft.SOURCE, "configs")


class Config(unittest.TestCase):
    def file(self, content):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
            f.write(content if isinstance(content, str) else json.dumps(content))
        self.addCleanup(os.remove, f.name)
        return f.name

    def origins(self, *args, command="generate"):
        done = weft.run(*command.split(), *args, "--print-config")
        self.assertEqual(done.code, 0, done.err)
        return dict(line.split(" = ", 1) for line in done.out.splitlines())

    def refused(self, sentence, content, *args):
        done = weft.run("generate", *MODEL, *PROMPT, "--config", self.file(content), *args)
        self.assertEqual(done.code, 2, (content, done.err))
        self.assertRegex(done.err, sentence)
        self.assertEqual(len(done.err.splitlines()), 1, done.err)

    def test_values_and_their_origin(self):
        path = self.file({"threads": 2, "dtype": "f32", "ignore-eos": True, "stop": ["a", "b c"], "max-tokens": 3})
        got = self.origins(*MODEL, *PROMPT, "--config", path, "--max-tokens", "5")
        self.assertEqual(got["threads"], f"2  ({path})")
        self.assertEqual(got["ignore-eos"], f"true  ({path})")
        self.assertEqual(got["stop"], f"a b c  ({path})")
        self.assertEqual(got["max-tokens"], "5  (command line)")
        self.assertEqual(got["max-seqs"], "64  (default)")
        self.assertEqual(got["tp"], "all ranks  (default)")
        self.assertEqual(self.origins(*MODEL, *PROMPT, f"--config={path}"), {**got, "max-tokens": f"3  ({path})"})

    def test_it_is_used(self):
        path = self.file({"max-tokens": 3, "prompt": "hello"})
        self.assertEqual(len(weft.generate(MODEL[1], *PROMPT, "--config", path)["token_ids"]), 3)  # the prompt given here wins
        self.assertEqual(len(weft.generate(MODEL[1], "--config", path, ranks=2)["token_ids"]), 3)

    def test_every_command_reads_it(self):
        path = self.file({"log-level": "debug"})
        for command, *args in [("generate", *MODEL, *PROMPT), ("score", *MODEL, "--input", "x", "--output", "y"), ("bench model", *MODEL),
                               ("bench ops",), ("bench comm",), ("inspect", MODEL[1]), ("tokenize", *MODEL, "--input", "x"),
                               ("convert", *MODEL, "--type", "f32", "--output", "x"),
                               ("upcycle", *MODEL, "--experts", "2", "--top-k", "1", "--output", "x"), ("serve", *MODEL),
                               ("client", "--prompt", "x")]:
            self.assertEqual(self.origins(*args, "--config", path, command=command)["log-level"], f"debug  ({path})", command)

    def test_bad_files(self):
        self.refused("is not valid JSON at byte", "threads: 2\n")
        self.refused("is not a JSON object", "[1]")
        self.refused("has the key .threads. twice", '{"threads": 1, "threads": 2}')
        self.refused("unknown key threds; did you mean threads\\?", {"threds": 2})
        self.refused("unknown key zzzzzzzz$", {"zzzzzzzz": 2})
        self.refused("unknown key config", {"config": "x"})
        self.refused("--threads: 0 is out of range", {"threads": 0})
        self.refused("--dtype: f8 not in", {"dtype": "f8"})
        self.refused("threads is null; it must be a string or a number", {"threads": None})
        self.refused("threads is \\[2\\]", {"threads": [2]})
        self.refused("json is 1; it must be true or false", {"json": 1})
        for path, sentence in [("/nonexistent.json", "/nonexistent.json"), (tempfile.gettempdir(), tempfile.gettempdir()),
                               ("", "--config needs a file")]:
            done = weft.run("generate", *MODEL, *PROMPT, "--config", path)
            self.assertEqual(done.code, 2, path)
            self.assertIn(sentence, done.err)

    def test_unknown_flag(self):
        done = weft.run("generate", "--max-token", "3")
        self.assertEqual((done.code, done.err), (2, "weft: unknown flag --max-token; did you mean --max-tokens? (see --help)\n"))

    def test_engine_configs(self):
        files = glob.glob(os.path.join(CONFIGS, "engine", "*.json"))
        self.assertTrue(files)
        for path in files:
            with open(path, encoding="utf-8") as f:
                wanted = json.load(f)
            got = self.origins(*MODEL, *PROMPT, "--config", path)
            for key, value in wanted.items():
                self.assertEqual(got[key], f"{value}  ({path})")
            self.assertEqual(weft.run("generate", *MODEL, *PROMPT, "--max-tokens", "1", "--config", path).code, 0)
        exact = weft.run("generate", "--model", os.path.join(weft.GOLDEN, "llama_gguf", "model.gguf"), *PROMPT, "--max-tokens", "1",
                         "--config", os.path.join(CONFIGS, "engine", "exact.json"))
        self.assertIn("arithmetic f32", exact.err)

    def test_model_configs(self):
        files = glob.glob(os.path.join(CONFIGS, "models", "*.json"))
        self.assertTrue(files)
        for path in files:
            done = weft.run("inspect", path, "--json")
            self.assertEqual(done.code, 0, (path, done.err))
            self.assertGreater(json.loads(done.out)["parameters"], 1e8)


if __name__ == "__main__":
    unittest.main()
