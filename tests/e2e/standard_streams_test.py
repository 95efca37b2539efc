#!/usr/bin/env python3
"""Standard streams that are full, closed or without a reader: a lost answer is a failure, a lost log is not."""
import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import weft
from grpc_server import Server, TINY

SENTENCE = "weft: the output could not be written to stdout: "


def commands(folder):
    """Every command that prints, each with little to do."""
    texts = os.path.join(folder, "texts.json")
    with open(texts, "w", encoding="utf-8") as f:
        json.dump({"texts": ["a"]}, f)
    model = ("--model", TINY)
    return [("--help",), ("--version",), ("serve", "--help"), ("inspect", TINY), ("inspect", TINY, "--json"),
            ("tokenize", *model, "--input", texts), ("generate", *model, "--prompt", "a"),
            ("generate", *model, "--prompt", "a", "--json"), ("bench", "comm"),
            ("bench", "model", *model, "--pp", "8", "--tg", "4", "--repetitions", "1"),
            ("bench", "ops", "--filter", "rms_norm", "--threads", "1")]


def run(*args, **streams):
    """(exit code, stderr) of `weft args...`; streams: as of subprocess.run, but None is a closed one."""
    closed = [("stdin", "stdout", "stderr").index(name) for name, value in streams.items() if value is None]
    given = {"stderr": subprocess.PIPE, **streams}
    done = subprocess.run([weft.BIN, *args], env=dict(os.environ, WEFT_PIN="0"), timeout=60, check=False,
                          preexec_fn=lambda: [os.close(fd) for fd in closed], **given)
    return done.returncode, (done.stderr or b"").decode()


class StandardStreams(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def closed_pipe(self):
        read, write = os.pipe()
        os.close(read)
        self.addCleanup(os.close, write)
        return write

    def test_an_answer_that_cannot_be_written_is_a_failure_of_every_command(self):
        with open("/dev/full", "wb") as full:
            for args in commands(self.folder):
                for stdout, reason in ((full, "No space left"), (self.closed_pipe(), "Broken pipe"), (None, "Bad file")):
                    with self.subTest(args=args, reason=reason):
                        code, err = run(*args, stdout=stdout)
                        self.assertEqual(code, 1, err)
                        self.assertEqual(err.splitlines()[-1].find(SENTENCE + reason), 0, err)

    def test_files_on_a_full_disk(self):
        cases = os.path.join(weft.GOLDEN, "llama_bias", "cases.json")
        for args in (("convert", "--model", TINY, "--type", "q8_0"),
                     ("score", "--model", os.path.join(weft.GOLDEN, "llama_bias"), "--input", cases)):
            code, err = run(*args, "--output", "/dev/full")
            self.assertEqual(code, 2)
            self.assertIn("cannot write /dev/full: No space left", err)

    def test_a_log_that_nobody_reads_ends_nothing(self):
        for stderr in (self.closed_pipe(), None):
            for args in commands(self.folder):
                with self.subTest(args=args):
                    self.assertEqual(run(*args, stdout=subprocess.DEVNULL, stderr=stderr)[0], 0)

    def test_no_file_takes_the_number_of_a_closed_stream(self):
        output = os.path.join(self.folder, "out.gguf")
        code, _ = run("convert", "--model", TINY, "--type", "q8_0", "--output", output, stdin=None, stdout=None, stderr=None)
        self.assertEqual(code, 0)
        expected = os.path.join(self.folder, "expected.gguf")
        self.assertEqual(run("convert", "--model", TINY, "--type", "q8_0", "--output", expected)[0], 0)
        with open(output, "rb") as a, open(expected, "rb") as b:
            self.assertEqual(a.read(), b.read())

    @weft.needs_smollm2
    def test_generate_ends_when_its_reader_does(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen([weft.BIN, "generate", "--model", weft.SMOLLM2, "--prompt", "Once", "--ignore-eos", "--max-tokens",
                               "2000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            lines = process.stderr.read().decode().splitlines()
            self.assertEqual(process.wait(), 1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual(lines[-1], SENTENCE + "Broken pipe")
        self.assertLess(after.ru_utime - before.ru_utime, 15, "it went on generating for nobody")

    def test_the_client_ends_when_its_reader_does(self):
        batch = os.path.join(self.folder, "batch.jsonl")
        with open(batch, "w", encoding="utf-8") as f:
            print(json.dumps({"prompt": "a", "max_tokens": 200}), file=f)
        with Server(TINY) as server:
            for asked in (("--prompt", "a"), ("--prompt", "a", "--json"), ("--batch", batch)):
                code, err = run("client", "--target", server.address, "--ignore-eos", *asked, stdout=self.closed_pipe())
                self.assertEqual((code, err.strip()), (1, SENTENCE + "Broken pipe"))

    def test_the_server_outlives_the_reader_of_its_log(self):
        with Server(TINY, "--ranks", 2) as server:
            server.last_line = True
            os.kill(server.ranks()[0], signal.SIGKILL)  # the log tells of it, and then of the next ranks
            deadline = time.monotonic() + 30
            while weft.run("client", "--target", server.address, "--prompt", "a").code != 0:
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(server.stop(), 0)

    def test_a_log_that_is_never_read_stops_no_server(self):
        """Its pipe is full from the beginning; the server answers all the same, and drains when told to."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        os.set_blocking(write, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(write, b"-" * 4096)
        os.set_blocking(write, True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        server = subprocess.Popen([weft.BIN, "serve", "--model", TINY, "--ranks", "2", "--listen", address, "--log-level", "debug"],
                                  stdin=subprocess.DEVNULL, stderr=write, env=dict(os.environ, WEFT_PIN="0"))
        self.addCleanup(server.kill)
        for _ in range(3):
            code, err = run("client", "--target", address, "--wait", "30", "--prompt", "a", "--max-tokens", "3")
            self.assertEqual(code, 0, err)
        begin = time.monotonic()
        server.terminate()
        self.assertEqual(server.wait(30), 0)
        self.assertLess(time.monotonic() - begin, 3)


if __name__ == "__main__":
    unittest.main()
