#!/usr/bin/env python3
"""`weft serve` and `weft client` from outside: streams, ranks that die, ends, idle processes, bad models."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import weft
from grpc_server import Server, TINY

PROMPT = "The quick brown fox"


def client(server, *args):
    done = weft.run("client", "--target", server.address, *args)
    if done.code != 0:
        raise AssertionError(f"exit code {done.code}: {done.err}")
    return done.out


def answer(server, *args, prompt=PROMPT):
    return json.loads(client(server, "--prompt", prompt, "--ignore-eos", "--json", *args))


class Serve(unittest.TestCase):
    def test_ranks_do_not_change_the_answer(self):
        answers = []
        for args, command in ((("--ranks", 1), ()), (("--ranks", 2), ()), ((), weft.mpirun(2))):
            with Server(TINY, "--dtype", "f32", *args, command=command) as server:
                answers.append(answer(server, "--max-tokens", 40))
        alone = weft.generate(TINY, "--prompt", PROMPT, "--max-tokens", 40, "--ignore-eos")
        for a in answers:
            self.assertEqual(a["token_ids"], alone["token_ids"])
            self.assertEqual(a["text"], alone["text"])
            self.assertEqual(a["fingerprint"], alone["fingerprint"])

    def test_requests_of_different_salts_share_nothing(self):
        ids = list(range(1, 70))
        with Server(TINY, "--ranks", 2, "--block-size", 16) as server, tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for salts, cached in (("", 0), ("", 64), ("a", 0), ("a", 64), ("b", 0), ("", 64), ("ab", 0)):
                file.truncate(0)
                file.seek(0)
                json.dump({"token_ids": ids, "cache_salt": salts, "max_tokens": 3}, file)
                file.flush()
                reply = json.loads(client(server, "--batch", file.name, "--ignore-eos"))
                self.assertEqual(reply["usage"], {"prompt_tokens": 69, "completion_tokens": 3, "cached_tokens": cached}, salts)
            stats = json.loads(weft.run("stats", "--target", server.address, "--json").out)
            self.assertEqual(stats["engine"]["cached_tokens"], 3 * 64)

    def test_stats_command(self):
        with Server(TINY) as server:
            client(server, "--prompt", PROMPT, "--max-tokens", "5", "--ignore-eos")
            ask = lambda *args: weft.run("stats", "--target", server.address, *args)
            stats = json.loads(ask("--json").out)
            self.assertEqual((stats["state"], stats["requests_finished"], stats["tokens_generated"]), ("serving", 1, 5))
            self.assertEqual(stats["engine"]["running"], 0)
            self.assertRegex(ask().out, r"^serving for \d+ s\n.*requests finished 1")
        gone = ask()
        self.assertEqual((gone.code, gone.err), (1, f"weft: no server at {server.address}; start one with weft serve, or name another with --target\n"))

    def test_a_sampled_answer_has_a_fresh_seed_that_repeats_it(self):
        sampled = ("--temperature", 1, "--max-tokens", 12)
        with Server(TINY, "--dtype", "f32") as server:
            first, second = answer(server, *sampled), answer(server, *sampled)
            self.assertNotEqual(first["seed"], second["seed"])
            self.assertEqual(answer(server, *sampled, "--seed", first["seed"])["token_ids"], first["token_ids"])
        alone = [weft.generate(TINY, "--prompt", PROMPT, "--ignore-eos", *sampled) for _ in range(2)]
        self.assertNotEqual(alone[0]["seed"], alone[1]["seed"])
        for seed, ids in ((first["seed"], first["token_ids"]), (alone[0]["seed"], alone[0]["token_ids"])):
            again = weft.generate(TINY, "--prompt", PROMPT, "--ignore-eos", *sampled, "--seed", seed)
            self.assertEqual(again["token_ids"], ids)

    def start_stream(self, server, n):
        """A client of which the first characters have arrived."""
        process = subprocess.Popen([weft.BIN, "client", "--target", server.address, "--prompt", PROMPT, "--ignore-eos",
                                    "--max-tokens", str(n)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        return process, os.read(process.stdout.fileno(), 8)

    def finish_stream(self, process, start):
        text = start + process.stdout.read()
        self.assertEqual(process.wait(60), 0)
        return text.decode().removesuffix("\n")

    def test_a_rank_that_dies_does_not_change_a_stream(self):
        real = os.path.exists(weft.SMOLLM2)
        n = 300 if real else 200
        with Server(weft.SMOLLM2 if real else TINY, "--ranks", 2, "--max-model-len", 1024) as server:
            expected = answer(server, "--max-tokens", n)["text"]
            for deaths, victim in enumerate((1, 0), 1):
                ranks = server.ranks()  # a search that may take longer than the answer
                process, start = self.start_stream(server, n)
                os.kill(ranks[victim], signal.SIGKILL)
                self.assertEqual(self.finish_stream(process, start), expected)
                if real:  # the tiny model may have been faster than the kill
                    self.assertEqual("".join(server.log).count("the engine was lost"), deaths)

    def test_sigterm_finishes_what_runs(self):
        with Server(TINY, "--ranks", 2) as server:
            expected = answer(server, "--max-tokens", 200)["text"]
            process, start = self.start_stream(server, 200)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(self.finish_stream(process, start), expected)

    def test_nothing_outlives_a_killed_server(self):
        with Server(TINY, "--ranks", 2) as server:
            self.assertEqual(len(server.ranks()), 2)
            server.stop(signal.SIGKILL)

    def test_idle_processes_use_no_cpu(self):
        with Server(TINY, "--ranks", 2) as server:
            answer(server, "--max-tokens", 10)
            time.sleep(1)
            pids = [server.process.pid, *server.descendants()]

            def ticks():
                total = 0
                for pid in pids:
                    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                        fields = f.read().rsplit(")", 1)[1].split()
                        total += int(fields[11]) + int(fields[12])
                return total

            before, seconds = ticks(), 5
            time.sleep(seconds)
            used = (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
            self.assertLessEqual(used, 0.01 + 0.002, f"{used:.1%} of a core while idle")

    def test_a_bad_model_ends_the_server(self):
        for ranks in (1, 2):
            for model, sentence in (("/no/such/model", "does not exist"), (os.path.join(weft.SOURCE, "tests"), "config.json")):
                done = weft.run("serve", "--model", model, "--ranks", ranks, "--listen", "127.0.0.1:0", "--log-level", "error")
                self.assertEqual(done.code, 2, done.err)
                self.assertEqual(len([line for line in done.err.splitlines() if sentence in line]), 1, done.err)

    def test_more_ranks_than_heads(self):
        done = weft.run("serve", "--model", TINY, "--ranks", 9, "--listen", "127.0.0.1:0", "--log-level", "error")
        self.assertEqual(done.code, 2, done.err)
        self.assertIn("head", done.err)


if __name__ == "__main__":
    unittest.main()
