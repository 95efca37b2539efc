#!/usr/bin/env python3
"""What takes ranks away from a server, and that it goes on: ranks killed and stopped, busy and idle; its own end under mpirun."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import unittest

import weft
from grpc_server import Server, TINY, descendants

PROMPT = "The quick brown fox"
STEP_TIMEOUT = 2  # seconds


def answer(server, n):
    done = weft.run("client", "--target", server.address, "--prompt", PROMPT, "--ignore-eos", "--json", "--max-tokens", str(n), "--wait", "30")
    if done.code != 0:
        raise AssertionError(f"exit code {done.code}: {done.err}")
    return json.loads(done.out)


def state(server):
    return json.loads(weft.run("stats", "--target", server.address, "--json", timeout=5).out)["state"]


def runs(pid):
    """Not gone, and no zombie that only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Streams:
    """Clients that ask again and again, until the end of the block; every answer must be the same."""

    def __init__(self, server, n=200):
        self.expected = answer(server, n)["text"]
        loop = f'while "$0" client --target {server.address} --prompt "{PROMPT}" --ignore-eos --max-tokens {n}; do :; done'
        self.clients = [subprocess.Popen(["sh", "-c", loop, weft.BIN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                         start_new_session=True) for _ in range(3)]

    def __enter__(self):
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            os.killpg(client.pid, signal.SIGTERM)
            text = client.stdout.read()
            client.stdout.close()
            client.wait()
            for one in text.split(self.expected + "\n"):
                assert self.expected.startswith(one.rstrip("\n")), f"another answer: {one!r}"


class Fault(unittest.TestCase):
    def lose(self, server, rank, sig, within):
        """Takes a rank away; returns the line of the log. Service must be there again at once afterwards."""
        victim, before = server.ranks()[rank], len(server.log)
        begin = time.monotonic()
        os.kill(victim, sig)
        while not (lost := [line for line in server.log[before:] if "the engine was lost" in line]):
            self.assertLess(time.monotonic() - begin, within, f"signal {sig} to rank {rank} was not noticed")
            time.sleep(0.005)
        answer(server, 3)
        self.assertFalse(runs(victim), "it is left over")
        return lost[0]

    def test_killed_and_stopped_ranks(self):
        with Server(TINY, "--ranks", 2, "--step-timeout", STEP_TIMEOUT) as server:
            for busy in (False, True):
                for rank in (0, 1):
                    with self.subTest(busy=busy, rank=rank):
                        with Streams(server) if busy else contextlib.nullcontext():
                            line = self.lose(server, rank, signal.SIGKILL, within=2)
                            self.assertRegex(line, rf"rank {rank} on host \S+ was killed by signal 9 \(Killed\)")
                            line = self.lose(server, rank, signal.SIGSTOP, within=STEP_TIMEOUT + 3)
                            self.assertRegex(line, rf"rank {rank} .*was silent for \S+ s|a step made no progress")
            self.assertEqual(server.stop(), 0)

    def test_a_killed_server_leaves_no_stopped_ranks(self):
        with Server(TINY, "--ranks", 2) as server:
            for pid in server.ranks():
                os.kill(pid, signal.SIGSTOP)
            server.stop(signal.SIGKILL)

    def test_a_machine_that_pauses(self):
        """All processes stop for longer than --step-timeout and go on: nothing was lost."""
        for command, args in (((), ("--ranks", 2)), (weft.mpirun(2), ())):
            with Server(TINY, *args, "--step-timeout", STEP_TIMEOUT, command=command) as server:
                everybody = [server.process.pid, *server.descendants()]
                for sig, pause in ((signal.SIGSTOP, STEP_TIMEOUT + 2), (signal.SIGCONT, 1)):
                    for pid in everybody:
                        os.kill(pid, sig)
                    time.sleep(pause)
                answer(server, 3)
                self.assertFalse([line for line in server.log if "lost" in line or "silent" in line])

    def test_one_process(self):
        with Server(TINY, "--step-timeout", STEP_TIMEOUT) as server:
            self.lose(server, 0, signal.SIGKILL, within=1)
            self.lose(server, 0, signal.SIGSTOP, within=STEP_TIMEOUT + 3)

    def test_nothing_waits_for_a_stopped_rank(self):
        with Server(TINY, "--ranks", 2, "--step-timeout", 60, "--drain-timeout", 1) as server:
            for pid in server.ranks():
                os.kill(pid, signal.SIGSTOP)
            big = "x" * 200  # requests pile up in front of rank 0
            clients = [subprocess.Popen([weft.BIN, "client", "--target", server.address, "--prompt", big, "--max-tokens", "20"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(8)]
            time.sleep(1)
            begin = time.monotonic()
            self.assertEqual(state(server), "serving")
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(server.stop(timeout=30), 0)
            for client in clients:
                self.assertIn("shutting down", client.communicate(timeout=10)[1])

    def test_drain_under_mpirun(self):
        """mpirun kills two seconds after it has passed a signal on: streams end before, with a sentence."""
        real = os.path.exists(weft.SMOLLM2)
        model, n = (weft.SMOLLM2, 3000) if real else (TINY, 200)
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(sig=sig), Server(model, "--max-model-len", n + 56, command=weft.mpirun(2)) as server:
                client = subprocess.Popen([weft.BIN, "client", "--target", server.address, "--prompt", PROMPT, "--ignore-eos", "--max-tokens",
                                           str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                client.stdout.read(1)
                server.stop(sig, timeout=10)  # nothing may be left
                _, error = client.communicate(timeout=10)
                if real or client.returncode != 0:  # the tiny model may have been faster than the signal
                    self.assertIn("the server is shutting down", error)

    def test_lost_ranks_under_mpirun(self):
        """Nobody starts them again: streams end with the reason, the job fails, nothing is left."""
        for rank, sig in ((1, signal.SIGSTOP), (0, signal.SIGSTOP), (1, signal.SIGKILL)):
            with self.subTest(rank=rank, sig=sig), Server(TINY, "--step-timeout", STEP_TIMEOUT, command=weft.mpirun(2)) as server:
                ranks = server.ranks("serve")
                reason = rf"rank {rank} on host {re.escape(os.uname().nodename)} (is gone|was silent for)"
                os.kill(ranks[rank], sig)
                if (rank, sig) == (1, signal.SIGSTOP):
                    with self.assertRaisesRegex(AssertionError, reason):
                        answer(server, 100)
                self.assertNotEqual(server.process.wait(STEP_TIMEOUT + 3), 0)
                self.assertFalse([pid for pid in ranks if runs(pid)], "left over")
                self.assertRegex("".join(server.log), rf"weft: (rank 1: )?{reason}")

    def test_lost_ranks_of_other_jobs(self):
        job = subprocess.Popen([*weft.mpirun(2), weft.BIN, "bench", "comm", "--sizes", "65536", "--iterations", str(1 << 20)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        ranks = sorted(pid for pid, command in descendants(job.pid).items() if command.startswith(f"{weft.BIN} bench"))
        os.kill(ranks[1], signal.SIGSTOP)
        _, log = job.communicate(timeout=20)
        self.assertNotEqual(job.returncode, 0)
        self.assertRegex(log, r"weft: rank 1 on host \S+ was silent for 8 s")
        self.assertFalse([pid for pid in ranks if runs(pid)], "left over")


if __name__ == "__main__":
    unittest.main()
