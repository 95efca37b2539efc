#!/usr/bin/env python3
"""`weft serve` and mpirun where something they need is missing, full or forbidden: works, or says one sentence soon.

Mounts are made in namespaces of their own, which needs root; what this machine does not allow is skipped with the reason.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import weft
from grpc_server import Server, TINY

IDS = "1,2,3"


def in_mounts(*mounts):
    """A prefix for commands: `mount ARGS` each, in a mount namespace of its own."""
    steps = "".join(f"mount {m} && " for m in mounts)
    return ["unshare", "-m", "sh", "-c", f'{steps}exec "$@"', "sh"]


def tmpfs(path, options):
    return f"-t tmpfs -o {options} none {path}"


def succeeds(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


mounts_allowed = shutil.which("unshare") is not None and succeeds(*in_mounts(tmpfs("/tmp", "size=1m")), "true")
needs_mounts = unittest.skipUnless(mounts_allowed and not weft.UNDER_TMP,
                                   "this machine allows no mount namespaces, or the command lies under /tmp, which is replaced here")

WITHOUT_SINGLE_COPY = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "without_single_copy.py")]


def path_with(*programs):
    """A directory that holds only these."""
    folder = tempfile.TemporaryDirectory()
    for name in programs:
        os.symlink(shutil.which(name), os.path.join(folder.name, name))
    return folder


class Launch(unittest.TestCase):
    def serves(self, *args, prefix=(), env=None, says=(), ends=(0,)):
        """The server becomes ready, answers, and its log holds no line but its own."""
        with Server(TINY, "--dtype", "f32", "--ranks", 2, *args, command=prefix, env=env) as server:
            done = weft.run("client", "--target", server.address, "--prompt", "The", "--max-tokens", 3, "--json")
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual(json.loads(done.out)["usage"]["completion_tokens"], 3)
            self.assertIn(server.stop(), ends)
        for line in server.log:
            self.assertRegex(line, "^" + weft.LOG_LINE)
        for words in says:
            self.assertEqual(sum(words in line for line in server.log), 1, f"{words}: {server.log}")

    def refuses(self, *args, says, prefix=(), env=None):
        """It ends with code 2 and one sentence within 5 s."""
        begin = time.monotonic()
        done = subprocess.run([*prefix, weft.BIN, "serve", "--model", TINY, "--listen", "127.0.0.1:0", "--ranks", "2", *args],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env, check=False)
        self.assertLess(time.monotonic() - begin, 5)
        lines = [line for line in done.stderr.splitlines() if "serving token ids only" not in line]
        self.assertEqual((done.returncode, len(lines)), (2, 1), done.stderr)
        for words in says:
            self.assertIn(words, lines[0])

    def hostfile(self, text):
        file = tempfile.NamedTemporaryFile("w", suffix=".hosts")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        return file.name

    def test_hostfile(self):
        self.refuses("--hostfile", "/nonexistent/hosts", says=["/nonexistent/hosts cannot be read: No such file"])
        self.refuses("--hostfile", "/tmp", says=["/tmp is a directory"])
        self.refuses("--hostfile", self.hostfile("# none\n"), says=["names no host; a line is HOST slots=N"])
        self.refuses("--hostfile", self.hostfile("localhost slots=1\n"), says=["has slots for 1 of 2 ranks"])
        self.refuses("--hostfile", self.hostfile("localhost slots=two\n"), says=["line 1 has slots=two"])
        self.serves("--hostfile", self.hostfile("localhost slots=2\n"))

    def test_a_host_that_does_not_exist(self):
        if not shutil.which("ssh"):
            self.skipTest("no ssh")
        self.refuses("--hostfile", self.hostfile("no-such-host.invalid slots=2\n"), says=["no-such-host.invalid does not resolve"])

    def test_programs_that_are_missing(self):
        self.refuses(env=dict(os.environ, PATH="/nonexistent"), says=["mpirun was not found in PATH; install it (openmpi-bin)"])
        with path_with("mpirun", "orted", "sh") as folder:
            env = dict(os.environ, PATH=folder)
            self.refuses("--hostfile", self.hostfile("elsewhere slots=2\n"), env=env, says=["ssh", "install it (openssh-client)"])
            self.serves(env=env)

    def test_empty_environment(self):
        self.serves(env={})

    def test_mpirun_words_at_debug_level(self):
        args = ["--mpirun-args=--mca plm_base_verbose 0 --no-such-option"]
        self.refuses(*args, says=["mpirun does not know the option", "--no-such-option"])
        done = weft.run("serve", "--model", TINY, "--listen", "127.0.0.1:0", "--ranks", 2, "--log-level", "debug", *args)
        self.assertRegex(done.err, "weft: mpirun: .*for usage")

    def test_more_ranks_than_cores(self):
        """One core of two threads, as Open MPI sees it: Weft counts two CPUs, mpirun one slot."""
        self.serves(env=dict(os.environ, HWLOC_SYNTHETIC="core:1 pu:2", HWLOC_THISSYSTEM="1"))

    def test_inside_an_allocation_or_a_job_of_one_process(self):
        allocation = {"PMI_RANK": "1", "PMI_SIZE": "2", "SLURM_JOB_ID": "3", "SLURM_JOBID": "3", "SLURM_NTASKS": "2",
                      "SLURM_PROCID": "1", "SLURM_NNODES": "2", "SLURM_NODELIST": "n[1-2]", "SLURM_JOB_NODELIST": "n[1-2]",
                      "SLURM_TASKS_PER_NODE": "1(x2)"}
        self.serves(env=dict(os.environ, **allocation))
        self.serves(prefix=weft.mpirun(1), ends=(0, 1))  # mpirun's own code after SIGTERM

    def test_proxies_are_not_for_loopback(self):
        proxies = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")}
        with unittest.mock.patch.dict(os.environ, proxies):
            self.serves()

    @needs_mounts
    def test_temporary_directory_unusable(self):
        says = ["mpirun's session files go to /var/tmp, because of /tmp: "]
        for options in ("size=1m", "ro", "size=64m,nr_inodes=8"):
            self.serves(prefix=in_mounts(tmpfs("/tmp", options)), says=says)
        nowhere = [tmpfs(path, "ro") for path in ("/tmp", "/var/tmp", "/dev/shm")]
        self.refuses(prefix=in_mounts(*nowhere), env=dict(os.environ, HOME="/nonexistent"),
                     says=["no room for its session files in /tmp (Read-only file system)", "set TMPDIR"])

    @needs_mounts
    def test_shared_memory_unusable(self):
        for options in ("ro", "size=64k"):
            self.serves(prefix=in_mounts(tmpfs("/dev/shm", options)), says=["/dev/shm has no room for the messages of 2 ranks"])

    @needs_mounts
    def test_under_mpirun_too(self):
        """Here mpirun is the user's: Weft chooses what it can, and does not let its ranks hang."""
        def generate(mount):
            return subprocess.run([*in_mounts(mount), *weft.mpirun(2), weft.BIN, "generate", "--model", TINY, "--token-ids", IDS,
                                   "--max-tokens", "3"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                                  check=False)
        full = generate(tmpfs("/tmp", "size=1m"))
        self.assertEqual(full.returncode, 2)
        self.assertEqual(full.stderr.count("weft: mpirun has no room for its session files in /tmp"), 1, full.stderr)
        small = generate(tmpfs("/dev/shm", "size=64k"))
        self.assertEqual(small.returncode, 0, small.stderr)
        self.assertNotIn("not enough space", small.stderr)
        self.assertEqual(small.stderr.count("/dev/shm has no room"), 1)

    @unittest.skipUnless(succeeds(*WITHOUT_SINGLE_COPY, "true"), "this machine allows no seccomp filter")
    def test_single_copy_forbidden(self):
        says = "forbids process_vm_readv"
        self.serves(prefix=WITHOUT_SINGLE_COPY, says=[says])
        done = subprocess.run([*WITHOUT_SINGLE_COPY, *weft.mpirun(2), weft.BIN, "bench", "comm"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1), done.stderr[:2000])
        self.assertIn(says, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "only root can take another user's id")
    def test_user_without_a_name(self):
        nobody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
        if not succeeds(*nobody, weft.BIN, "inspect", TINY):
            self.skipTest("another user may not read this directory")
        self.serves(prefix=nobody)

    def test_closed_standard_streams(self):
        for closed in ("2>&-", "<&- >&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                self.serves_without_a_log(["sh", "-c", f'exec "$@" {closed}', "sh"])

    def serves_without_a_log(self, prefix):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        server = subprocess.Popen([*prefix, weft.BIN, "serve", "--model", TINY, "--ranks", "2", "--listen", address],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(server.kill)
        done = weft.run("client", "--target", address, "--wait", 30, "--prompt", "The", "--max-tokens", 3, "--json")
        self.assertEqual(done.code, 0, done.err)
        server.terminate()
        self.assertEqual(server.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
