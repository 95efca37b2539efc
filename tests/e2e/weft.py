"""Runs the built `weft` command, alone and under mpirun. Plain standard library.

Environment: WEFT_BIN the command, WEFT_SMOLLM2 the GGUF of SmolLM2-135M-Instruct (tests of the real model are skipped without),
WEFT_PYTHON a Python that has the packages tests/run installs.
"""
import array
import json
import os
import signal
import struct
import subprocess
import sys
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(SOURCE, "tests", "golden", "models")
BIN = os.environ.get("WEFT_BIN", os.path.join(SOURCE, "build", "weft"))
SMOLLM2 = os.environ.get("WEFT_SMOLLM2", "")
PYTHON = os.environ.get("WEFT_PYTHON", "")
LOG_LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:debug|info|warning|error) weft: "  # of a server
needs_smollm2 = unittest.skipUnless(os.path.exists(SMOLLM2), "WEFT_SMOLLM2 does not name the model file")


# Some tests put another file system in the place of /tmp: what lies there is then gone.
UNDER_TMP = any(os.path.realpath(path).startswith(("/tmp/", "/var/tmp/")) for path in (SOURCE, BIN))


def use_weft_python():
    """Begins the script again under WEFT_PYTHON; returns where it runs there already, or none is named."""
    if PYTHON and os.path.abspath(PYTHON) != sys.executable and "WEFT_PYTHON_RUNS" not in os.environ:
        os.environ["WEFT_PYTHON_RUNS"] = "1"
        os.execv(PYTHON, [PYTHON, *sys.argv])


class Finished:
    """What a command left: exit code (None: it hung and was killed), stdout, stderr."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def mpirun(ranks):
    """As root and with more ranks than cores, too; Weft pins its own threads."""
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


def run(*args, ranks=0, timeout=120, through=(), env=()):
    """`weft args...`; ranks=0 is alone, without mpirun; `through` stands before each rank's command, `env` is added to the
    environment. A command that outlives the timeout is killed with its children."""
    command = (mpirun(ranks) if ranks else []) + [*through, BIN, *map(str, args)]
    env = dict(os.environ, WEFT_PIN="0", **dict(env))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                               start_new_session=True, text=True, errors="replace")
    try:
        out, err = process.communicate(timeout=timeout)
        return Finished(process.returncode, out, err)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return Finished(None, out, err)


def generate(model, *args, dtype="f32", ranks=0, timeout=300, through=()):
    """The JSON object of `weft generate --json`; its key "log" holds stderr."""
    done = run("generate", "--model", model, "--dtype", dtype, "--json", *args, ranks=ranks, timeout=timeout, through=through)
    if done.code != 0:
        raise AssertionError(f"exit code {done.code}: {done.err}")
    return {**json.loads(done.out), "log": done.err}


def join_ids(ids):
    return ",".join(map(str, ids))


def read_text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def read_safetensors(path):
    """{name: array of float or int} of F32 and I32 tensors."""
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = array.array({"F32": "f", "I32": "i"}[entry["dtype"]], data[8 + size + begin:8 + size + end])
    return tensors


def relative_l2(a, b):
    assert len(a) == len(b), (len(a), len(b))
    return (sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b)) ** 0.5
