#!/usr/bin/env python3
"""Files of `weft client --batch`: what a line may hold, ids, errors by line, files of any length."""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest

import weft
from grpc_server import Server, TINY

PROMPT = "The quick brown fox"
NO_SERVER = "127.0.0.1:1"  # what is wrong with a file is found before anybody is asked


class BatchFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        model = os.path.join(cls.folder.name, "model")
        os.mkdir(model)
        for name in os.listdir(TINY):
            os.symlink(os.path.join(TINY, name), os.path.join(model, name))
        os.symlink(os.path.join(weft.SOURCE, "tests", "golden", "text", "templates", "agent.jinja"), os.path.join(model, "chat_template.jinja"))
        cls.server = Server(model, "--max-requests", 100)
        cls.addClassCleanup(cls.server.kill)

    def write(self, *lines):
        path = os.path.join(self.folder.name, "batch.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        return path

    def ask(self, *args, code=0):
        done = weft.run("client", "--target", self.server.address, *args)
        self.assertEqual(done.code, code, done.err)
        return sorted(map(json.loads, done.out.splitlines()), key=lambda line: line.get("index"))

    def test_lines_say_all_that_flags_say(self):
        settings = {"max_tokens": 30, "temperature": 0.9, "top_k": 40, "top_p": 0.95, "min_p": 0.01, "repetition_penalty": 1.1,
                    "seed": 2**64 - 1}
        flags = [word for name, value in settings.items() for word in ("--" + name.replace("_", "-"), value)]
        base = ["--ignore-eos", "--cache-salt", "mine"]
        expected = self.ask("--prompt", PROMPT, "--json", *flags, *base)[0]
        line = {"prompt": PROMPT, "ignore_eos": True, "cache_salt": "mine", **settings}
        stop = expected["text"][5:8]
        answers = self.ask("--batch", self.write(line, {**line, "stop": ["never in it", stop]}))
        self.assertEqual(answers[0]["token_ids"], expected["token_ids"])
        self.assertEqual(answers[0]["seed"], 2**64 - 1)
        self.assertEqual(answers[1]["text"], expected["text"][:expected["text"].index(stop)])

    def test_lines_hold_chats(self):
        chat = {"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {"enable_thinking": False}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(chat, file)
            file.flush()
            expected = self.ask("--chat-file", file.name, "--max-tokens", 6, "--json")[0]
        answers = self.ask("--batch", self.write({"id": "chat", "max_tokens": 6, **chat}, {"id": "text", "max_tokens": 6, "prompt": "Hi"}))
        self.assertEqual((answers[0]["id"], answers[0]["token_ids"]), ("chat", expected["token_ids"]))
        self.assertNotEqual(answers[1]["usage"]["prompt_tokens"], expected["usage"]["prompt_tokens"])

    def test_answers_carry_ids(self):
        ids = ["a", 7, "\u00fc", -1, "a"]
        lines = [{"id": id, "prompt": PROMPT, "max_tokens": 2} for id in ids]
        answers = self.ask("--batch", self.write(*lines, "", " \r", {"prompt": PROMPT, "max_tokens": 2}, {"id": "bad", "token_ids": [-1]}), code=1)
        self.assertEqual([a.get("id", "none") for a in answers], [*ids, "none", "bad"])
        self.assertEqual([a["index"] for a in answers], list(range(7)))
        self.assertIn("out of range", answers[6]["error"])

    def test_a_file_of_several_calls(self):
        lines = ({"id": n, "token_ids": [n % 200, 5], "max_tokens": 1 + n % 4} for n in range(2500))
        answers = self.ask("--batch", self.write(*lines), "--ignore-eos")
        self.assertEqual([a["index"] for a in answers], list(range(2500)))
        for a in answers:
            self.assertEqual((a["id"], len(a["token_ids"])), (a["index"], 1 + a["index"] % 4))

    def test_a_pipe_is_answered_while_it_is_written(self):
        command = [weft.BIN, "client", "--target", self.server.address, "--ignore-eos", "--max-tokens", "1", "--batch", "/dev/stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            for n in range(1025):
                print(json.dumps({"id": n, "token_ids": [n % 200]}), file=process.stdin)
            process.stdin.flush()
            self.assertEqual({json.loads(process.stdout.readline())["id"] for _ in range(1024)}, set(range(1024)))
            process.stdin.close()
            self.assertEqual(json.loads(process.stdout.read())["id"], 1024)

    def batch_client(self, address, lines):
        """With these lines written to it."""
        command = [weft.BIN, "client", "--target", address, "--ignore-eos", "--max-tokens", "1", "--batch", "/dev/stdin"]
        process = self.enterContext(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        self.addCleanup(process.kill)
        process.stdin.writelines(json.dumps({"id": n, "token_ids": [n % 200]}) + "\n" for n in lines)
        process.stdin.flush()
        return process

    def test_waits_for_room_that_others_take(self):
        server = Server(TINY, "--max-requests", 4, "--step-timeout", 60)
        self.addCleanup(server.kill)
        rank, = server.ranks()
        os.kill(rank, signal.SIGSTOP)
        other, client = (self.batch_client(server.address, range(4)) for _ in range(2))
        other.stdin.close()
        client.stdin.close()
        waits, goes_on = (other, client) if select.select([other.stderr, client.stderr], [], [], 30)[0] == [other.stderr] else (client, other)
        self.assertIn("takes no more now (the server has 4 requests at once", waits.stderr.readline())
        os.kill(rank, signal.SIGCONT)
        for process in (goes_on, waits):
            self.assertEqual(sorted(json.loads(line)["id"] for line in process.stdout), [0, 1, 2, 3])
            self.assertEqual(process.wait(timeout=30), 0)
            self.assertNotIn("takes no more", process.stderr.read())

    def test_waits_for_a_server_that_comes_back(self):
        server = Server(TINY)
        self.addCleanup(server.kill)
        client = self.batch_client(server.address, range(1025))
        self.assertEqual({json.loads(client.stdout.readline())["id"] for _ in range(1024)}, set(range(1024)))
        server.stop()
        client.stdin.close()
        self.assertIn("takes no more now", client.stderr.readline())
        again = Server(TINY, listen=server.address)
        self.addCleanup(again.kill)
        self.assertEqual([json.loads(line)["id"] for line in client.stdout], [1024])
        self.assertEqual(client.wait(timeout=30), 0)

    def test_bad_lines_are_named(self):
        good = {"prompt": PROMPT}
        for sentence, line in (
                ("is not valid JSON", "{"),
                ("a line must be a JSON object", "[1]"),
                ("exactly one of prompt, token_ids and messages", {"max_tokens": 1}),
                ("exactly one of prompt, token_ids and messages", {"prompt": "a", "token_ids": [1]}),
                ("tools goes with messages only", {"prompt": "a", "tools": []}),
                (r"messages\[0\]", {"messages": [1]}),
                ("unknown key temprature; known are id, prompt", {"prompt": "a", "temprature": 1}),
                ("id is 1.5; it must be a text or a whole number", {"prompt": "a", "id": 1.5}),
                ("prompt is 5; it must be a text", {"prompt": 5}),
                (r"token_ids\[1\] is 2.5; it must be a whole number", {"token_ids": [1, 2.5]}),
                (r"token_ids\[0\] is 3000000000; it must be a whole number", {"token_ids": [3000000000]}),
                ("token_ids is 1; it must be a list", {"token_ids": 1}),
                (r'stop is "x"; it must be a list', {"prompt": "a", "stop": "x"}),
                ("max_tokens is 1.5; it must be a whole number", {"prompt": "a", "max_tokens": 1.5}),
                ("max_tokens is true; it must be a whole number", {"prompt": "a", "max_tokens": True}),
                ("seed is -1; it must be a whole number from 0 to 18446744073709551615", {"prompt": "a", "seed": -1}),
                (r'temperature is "hot"; it must be a number', {"prompt": "a", "temperature": "hot"}),
                ("top_p is null; it must be a number", {"prompt": "a", "top_p": None}),
                ("ignore_eos is 1; it must be true or false", {"prompt": "a", "ignore_eos": 1}),
                (r"the request has 1700\d{4} bytes", {"prompt": "x" * 17_000_000, "ignore_eos": True})):
            path = self.write(good, line, good)
            done = weft.run("client", "--target", NO_SERVER, "--batch", path, "--wait", 60, timeout=20)
            self.assertEqual((done.code, done.out), (2, ""), done.err)
            self.assertRegex(done.err, rf"^weft: --batch {path} line 2:? .*{sentence}")

    def test_files_that_cannot_be_read(self):
        for path in (os.path.join(self.folder.name, "none"), self.folder.name, self.write()):
            done = weft.run("client", "--target", NO_SERVER, "--batch", path, "--wait", 60, timeout=20)
            self.assertEqual((done.code, done.err), (2, f"weft: cannot read --batch {path}, or it is empty\n"))
        for flag in ("--prompt", "--stop", "--cache-salt"):
            prompt = [] if flag == "--prompt" else ["--prompt", "a"]
            done = weft.run("client", "--target", NO_SERVER, *prompt, flag, b"caf\xe9".decode(errors="surrogateescape"), "--wait", 60, timeout=20)
            self.assertEqual((done.code, done.err), (2, f"weft: {flag} is not valid UTF-8: byte 3 is not part of a character\n"))

    def test_memory_does_not_grow_with_the_file(self):
        lines = 16_000
        path = self.write(*[json.dumps({"id": 1, "prompt": "x" * 4000})] * (lines - 1), "{")  # 64 MB
        # A child's peak counts from its parent's size at the fork: a small parent is needed.
        measure = "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        done = subprocess.run([sys.executable, "-c", measure, weft.BIN, "client", "--target", NO_SERVER, "--batch", path],
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertIn(f"line {lines} is not valid JSON", done.stderr)
        self.assertLess(int(done.stdout), 48 << 10)


if __name__ == "__main__":
    unittest.main()
