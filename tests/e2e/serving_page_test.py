#!/usr/bin/env python3
"""docs/serving.md: its Python runs as it is written, and the flags it names exist. WEFT_PYTHON names a Python that has grpcio-tools."""
import os
import re
import subprocess
import tempfile
import unittest

import weft
from grpc_server import Server

MODEL = os.path.join(weft.GOLDEN, "llama3")
TEMPLATE = os.path.join(weft.SOURCE, "tests", "golden", "text", "templates", "agent.jinja")


def page():
    with open(os.path.join(weft.SOURCE, "docs", "serving.md"), encoding="utf-8") as f:
        return f.read()


class ServingPage(unittest.TestCase):
    @unittest.skipUnless(weft.PYTHON, "WEFT_PYTHON does not name a Python with grpcio-tools")
    def test_python_runs_as_written(self):
        client, *pieces = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)
        self.assertLessEqual(len(client.strip().splitlines()), 15)
        self.assertEqual(len(pieces), 3)
        with tempfile.TemporaryDirectory() as model:
            for name in os.listdir(MODEL):
                os.symlink(os.path.join(MODEL, name), os.path.join(model, name))
            os.symlink(TEMPLATE, os.path.join(model, "chat_template.jinja"))
            with Server(model) as server:
                for code in (client, client + "".join(pieces) + "print(len(ids) > 100 and all(answers) and bool(first.token_ids))"):
                    done = subprocess.run([weft.PYTHON, "-c", code, server.address, "Hi"], cwd=weft.SOURCE, capture_output=True,
                                          text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertRegex(done.stdout, r"\n\d+ tokens, the first after \d")
                self.assertTrue(done.stdout.endswith("True\n"), done.stdout)

    def test_flags_exist(self):
        known = {command: weft.run(command, "--help").out for command in ("serve", "client", "stats")}
        for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page())) - {"--batch"}:
            self.assertTrue(any(re.search(rf"{flag}\b", text) for text in known.values()), flag)


if __name__ == "__main__":
    unittest.main()
