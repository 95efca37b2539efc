#!/usr/bin/env python3
"""Ranks with unlike files, flags or programs, as the hosts of a cluster come to have them: refused in one sentence on all ranks."""
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import unittest

import weft

MODEL = os.path.join(weft.GOLDEN, "llama3")  # eight shards and a tokenizer
HOST = socket.gethostname()
IDS = ("--token-ids", "5,6,7", "--max-tokens", "2")

# What these ranks run in the place of their command; others run the command.
BY_RANK = """#!{python}
import os, sys
words = sys.argv[1:]
if int(os.environ["OMPI_COMM_WORLD_RANK"]) in {ranks}:
    words = [{changes!r}.get(word, word) for word in words]
os.execv(words[0], words)
"""
# mpirun, which puts that before every rank's command.
MPIRUN = """#!{python}
import os, sys
words = sys.argv[1:]
at = words.index({command!r})
os.execv({mpirun!r}, [{mpirun!r}, *words[:at], {by_rank!r}, *words[at:]])
"""


class UnlikeRanks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.path = lambda *names: os.path.join(folder.name, *names)
        shutil.copytree(MODEL, self.path("copy"))

    def script(self, name, text, **values):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text.format(python=sys.executable, **values))
        os.chmod(self.path(name), stat.S_IRWXU)
        return self.path(name)

    def refused(self, sentence, changes, *args):
        """Of `weft args...` where rank 1 has `changes` to its words: ends with 2 and tells this once."""
        by_rank = self.script("by_rank", BY_RANK, ranks=[1], changes=changes)
        done = weft.run(*args, ranks=2, through=[by_rank], timeout=60)
        self.assertEqual((done.code, done.out), (2, ""), done.err)
        self.tells(sentence, done.err)

    def tells(self, sentence, log):
        failures = re.findall(r"(?m)^(?:\S+ error )?weft: (.*)$", log)
        self.assertEqual(len(failures), 1, log)
        self.assertRegex(failures[0], f"^{sentence}$")

    def change(self, name, at, data):
        with open(self.path("copy", name), "r+b") as f:
            f.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
            f.write(data)

    def unlike(self, name, what):
        return (rf"{MODEL}/{name} must be the same on all ranks: rank 0 on host {HOST} has {what}, "
                rf"rank 1 on host {HOST} has {what} in {self.path('copy')}/{name}")

    def test_files(self):
        shard, changes = "model-00003-of-00008.safetensors", {MODEL: self.path("copy")}
        weft.generate(MODEL, *IDS, ranks=2, through=[self.script("by_rank", BY_RANK, ranks=[1], changes=changes)])
        self.change(shard, -1, b"\x7f")
        for command in (["generate", *IDS], ["serve", "--listen", "127.0.0.1:0"]):
            self.refused(self.unlike(shard, "data of XXH3 [0-9a-f]+"), changes, *command, "--model", MODEL)
        self.change("tokenizer.json", 100, b"\0")
        self.refused(self.unlike("tokenizer.json", "contents of XXH3 [0-9a-f]+"), changes, "generate", *IDS, "--model", MODEL)
        os.remove(self.path("copy", shard))
        self.refused(rf"rank 1 on host {HOST}: cannot open {self.path('copy', shard)}: No such file or directory", changes,
                     "generate", *IDS, "--model", MODEL)

    def not_served(self, sentence, ranks, changes):
        """Of a server whose `ranks` have these changes to their words."""
        by_rank = self.script("by_rank", BY_RANK, ranks=ranks, changes=changes)
        self.script("mpirun", MPIRUN, command=weft.BIN, mpirun=shutil.which("mpirun"), by_rank=by_rank)
        env = {"PATH": self.path() + os.pathsep + os.environ["PATH"]}
        done = weft.run("serve", "--model", MODEL, "--ranks", 2, "--listen", "127.0.0.1:0", env=env, timeout=60)
        self.assertEqual(done.code, 2, done.err)
        self.tells(sentence, done.err)

    def test_served(self):
        self.change("config.json", -1, b"\n\n")
        self.not_served(self.unlike("config.json", "[0-9]+ bytes"), [1], {MODEL: self.path("copy")})

    def test_a_server_unlike_its_ranks(self):
        on_hosts = rf"must be the same on all ranks: rank 0 on host {HOST} has %s, the server on host {HOST} has %s; copy it .*"
        self.change("config.json", -1, b"\n\n")  # which the server does not read
        self.change("tokenizer_config.json", -1, b"\n\n")
        self.not_served(f"{self.path('copy')}/tokenizer_config.json {on_hosts % ('[0-9]+ bytes', f'[0-9]+ bytes in {MODEL}/tokenizer_config.json')}",
                        [0, 1], {MODEL: self.path("copy")})
        self.not_served(f"the version of Weft {on_hosts % ('weft 7.*', 'weft 0.*')}", [0, 1], {weft.BIN: self.other_version()})

    def other_version(self):
        with open(weft.BIN, "rb") as f:
            program = f.read()
        with open(self.path("other"), "wb") as f:
            f.write(program.replace(b"weft 0.", b"weft 7."))
        os.chmod(self.path("other"), stat.S_IRWXU)
        return self.path("other")

    def test_flags_and_versions(self):
        self.refused(f"--dtype must be the same on all ranks: rank 0 on host {HOST} has f32, rank 1 on host {HOST} has bf16",
                     {"f32": "bf16"}, "generate", "--model", MODEL, "--dtype", "f32", *IDS)
        self.refused(rf"the version of Weft must be the same on all ranks: rank 0 on host {HOST} has weft 0\.[^,]*, [A-Za-z]+ build, "
                     rf"rank 1 on host {HOST} has weft 7\.[^,]*, [A-Za-z]+ build", {weft.BIN: self.other_version()},
                     "generate", "--model", MODEL, *IDS)


if __name__ == "__main__":
    unittest.main()
