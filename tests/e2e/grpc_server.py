"""Starts `weft serve` for tests and makes the Python client from the .proto files."""
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import weft

TINY = os.path.join(weft.GOLDEN, "llama3")  # has a tokenizer and no chat template


def descendants(parent):
    """{pid: command line} of every process below it."""
    children, parents = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                parents[int(pid)] = int(f.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                children[int(pid)] = f.read().replace("\0", " ").strip()
        except OSError:
            continue
    found, wanted = {}, {parent}
    while wanted:
        wanted = {pid for pid, above in parents.items() if above in wanted and pid not in found}
        found.update({pid: children.get(pid, "") for pid in wanted})
    return found


class Server:
    """A running server; `with Server(model, "--ranks", "2") as server:` ends it with SIGTERM."""

    def __init__(self, model, *args, command=(), listen="127.0.0.1:0", env=None, timeout=90):
        env = dict(os.environ if env is None else env, WEFT_PIN="0")
        self.process = subprocess.Popen([*command, weft.BIN, "serve", "--model", model, "--listen", listen, *map(str, args)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env,
                                        start_new_session=True, text=True, errors="replace")
        self.log, self.address, self._ready = [], None, threading.Event()
        self.last_line = False  # set: after one more line of the log nobody reads it
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(timeout) or not self.address:
            self.kill()
            raise AssertionError("the server did not become ready:\n" + "".join(self.log))

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.match(weft.LOG_LINE + r"serving .* on (\S+:\d+) ", line)
            if found:
                self.address = found[1]
                self._ready.set()
            if self.last_line:
                self.process.stderr.close()
                break
        self._ready.set()

    def descendants(self):
        return descendants(self.process.pid)

    def ranks(self, command="worker"):
        """Process ids of the workers."""
        return sorted(pid for pid, line in self.descendants().items() if line.startswith(f"{weft.BIN} {command}"))

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """Ends the server; returns its exit code. Nothing may be left of it."""
        left = self.descendants()
        self.process.send_signal(sig)
        code = self.process.wait(timeout)
        deadline = time.monotonic() + 10
        while (alive := [pid for pid in left if os.path.exists(f"/proc/{pid}")]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive, f"processes {alive} outlived the server"
        return code

    def kill(self):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def python_client():
    """The modules (weft_pb2, weft_pb2_grpc), generated now; None where grpcio-tools is not installed."""
    try:
        import grpc_tools.protoc as protoc
    except ImportError:
        return None
    out = tempfile.mkdtemp()
    proto = os.path.join(weft.SOURCE, "proto")
    if protoc.main(["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}",
                    os.path.join(proto, "weft", "v1", "weft.proto")]) != 0:
        raise AssertionError("protoc failed")
    # `weft` names the tests' helper module, so the generated package must not be imported under that name.
    grpc_file = os.path.join(out, "weft", "v1", "weft_pb2_grpc.py")
    with open(grpc_file, encoding="utf-8") as f:
        text = f.read()
    with open(grpc_file, "w", encoding="utf-8") as f:
        f.write(text.replace("from weft.v1 import weft_pb2", "import weft_pb2"))
    sys.path.insert(0, os.path.join(out, "weft", "v1"))
    return importlib.import_module("weft_pb2"), importlib.import_module("weft_pb2_grpc")
