#!/usr/bin/env python3
"""The log of `weft serve`: requests, restarts and the end, by numbers; never what was asked or answered."""
import json
import os
import re
import signal
import tempfile
import unittest

import weft
weft.use_weft_python()
from grpc_server import Server, TINY, python_client

CLIENT = python_client()
if CLIENT:
    import grpc
    pb, stubs = CLIENT

WORDS = "The quick brown fox jumps over the lazy dog. " * 4
ENDED = (r"request (?P<id>\d+) ended: status=(?P<status>[A-Z_]+) prompt_tokens=(?P<prompt>\d+) cached_tokens=(?P<cached>\d+) "
         r"completion_tokens=(?P<completion>\d+) queued_ms=(?P<queued>[\d.]+|-) ttft_ms=(?P<ttft>[\d.]+|-) "
         r"total_ms=(?P<total>[\d.]+) finish_reason=(?P<finish>[a-z]+|-) replays=(?P<replays>\d+)(?P<reason> reason=\".*\")?")


class Log(unittest.TestCase):
    def ask(self, *args, code=0):
        done = weft.run("client", "--target", self.server.address, "--wait", 30, "--ignore-eos", *args)
        self.assertEqual(done.code, code, done.err)
        return done.out

    def batch(self, *requests, code):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("".join(json.dumps(request) + "\n" for request in requests))
            file.flush()
            return self.ask("--batch", file.name, code=code)

    @unittest.skipUnless(CLIENT, "grpcio-tools is not installed for this Python")
    def test_what_a_server_tells(self):
        with Server(TINY, "--ranks", 2) as self.server:
            stub = stubs.WeftStub(grpc.insecure_channel(self.server.address))
            counted = len(stub.Tokenize(pb.TokenizeRequest(text=WORDS)).token_ids)
            with self.assertRaises(grpc.RpcError):
                stub.Tokenize(pb.TokenizeRequest(text=WORDS * 20))
            answers = [json.loads(self.ask("--prompt", WORDS, "--max-tokens", 12, "--json")) for _ in range(2)]
            self.ask("--prompt", WORDS * 20, code=2)
            self.batch({"prompt": "One", "max_tokens": 3}, {"token_ids": [10 ** 6]}, {"prompt": "Two", "max_tokens": 4}, code=1)
            os.kill(self.server.ranks()[1], signal.SIGKILL)
            self.ask("--prompt", "Three", "--max-tokens", 2)
            self.assertEqual(self.server.stop(), 0)
        log = self.server.log
        for line in log:
            self.assertRegex(line, weft.LOG_LINE)
        said = lambda level, text: [m for m in (re.search(f"Z {level} weft: {text}\n", line) for line in log) if m]

        # Requests 1 and 2 are equal, one is refused, 3 and 4 are a batch beside a refused one, 5 comes after a restart.
        ended = said("info", ENDED)
        self.assertEqual([m["id"] for m in ended], [str(n) for n in range(1, 6)])
        self.assertEqual({(m["status"], m["finish"], m["reason"]) for m in ended}, {("OK", "length", None)})
        self.assertEqual([m["completion"] for m in ended], ["12", "12", "3", "4", "2"])
        self.assertEqual([int(m["prompt"]) for m in ended[:2]], [a["usage"]["prompt_tokens"] for a in answers])
        self.assertEqual(int(ended[0]["cached"]), 0)
        self.assertGreater(int(ended[1]["cached"]), 0)
        for m in ended:
            self.assertLessEqual(float(m["queued"]), float(m["ttft"]))
            self.assertLessEqual(float(m["ttft"]), float(m["total"]))
        for n in (1, 2, 5):
            self.assertEqual(len(said("info", rf"request {n} received: prompt_tokens=\d+ max_tokens=\d+")), 1)
        self.assertEqual(len(said("info", r"batch received: requests=2 first=3 last=4 prompt_tokens=\d+ max_tokens=7")), 1)
        self.assertEqual(len(said("info", rf"tokenize call answered: prompt_tokens={counted} total_ms=[\d.]+")), 1)
        for what in ("request", "request of a batch", "tokenize call"):
            self.assertEqual(len(said("info", f"{what} refused: status=INVALID_ARGUMENT")), 1)

        for level, text in (("info", r"the ranks are ready after [\d.]+ s"), ("error", "the engine was lost: rank 1 .* killed by signal 9 .*"),
                            ("warning", r"restart 1 of the ranks: \d requests wait for it"),
                            ("info", r"the ranks are ready again after [\d.]+ s: \d requests go on"),
                            ("info", "drain began: SIGTERM, 0 requests open"),
                            ("info", r"drain ended after \d+ ms, 0 requests cut off; exit code 0")):
            self.assertEqual(len(said(level, text)), 1, f"{text}: {log}")

        everything = "".join(log)
        for secret in ("quick", "lazy", "Three", answers[0]["text"], json.dumps(answers[0]["token_ids"])[1:-1], "1000000,"):
            self.assertNotIn(secret, everything)

    def test_a_failure_is_told_at_every_level(self):
        quiet = weft.run("serve", "--model", "/no/such/model", "--log-level", "off")
        self.assertRegex(quiet.err, weft.LOG_LINE + "model /no/such/model does not exist\n$")
        self.assertIn(" error weft: ", quiet.err)


if __name__ == "__main__":
    unittest.main()
