#!/usr/bin/env python3
"""What a rank's death costs a server's clients: kill -9 of every rank, while streams run and while nothing does.

  WEFT_PYTHON=... WEFT_SMOLLM2=... tests/bench/recovery.py --output docs/measurements/recovery.md

WEFT_PYTHON names a Python that has grpcio and grpcio-tools (tests/run makes one).
"""
import os
import signal
import statistics
import sys
import threading
import time

import measure

sys.path.insert(0, os.path.join(measure.SOURCE, "tests", "e2e"))
import weft
weft.use_weft_python()
import grpc
from grpc_server import Server, python_client

pb, stubs = python_client()
STREAMS, TOKENS = 4, 400


def request(n):
    return pb.GenerateRequest(text=f"Once upon a time, number {n},", max_tokens=TOKENS, ignore_eos=True)


class Stream(threading.Thread):
    """One answer; the times its tokens came at."""

    def __init__(self, stub, n):
        super().__init__()
        self.stub, self.n, self.ids, self.times = stub, n, [], []

    def run(self):
        for message in self.stub.Generate(request(self.n), timeout=120):
            self.ids += message.token_ids
            self.times += [time.monotonic()] * len(message.token_ids)


def all_streams(stub):
    streams = [Stream(stub, n) for n in range(STREAMS)]
    for stream in streams:
        stream.start()
    return streams


def time_to(condition):
    begin = time.monotonic()
    while not condition():
        time.sleep(0.001)
    return time.monotonic() - begin


def kill(server, stub, rank, busy, expected):
    """{figure: seconds}, and the tokens that were wrong or missing."""
    streams = all_streams(stub) if busy else []
    if busy:
        time_to(lambda: all(len(s.ids) > 50 for s in streams))
    victim = server.ranks()[rank]
    killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    detected = time_to(lambda: stub.GetStats(pb.GetStatsRequest()).state != "serving")
    wrong = 0
    if busy:
        for s in streams:
            s.join()
        wrong = sum(s.ids[i:i + 1] != expected[s.n][i:i + 1] for s in streams for i in range(TOKENS))
        again = max(next(t for t in s.times if t > killed + detected) for s in streams) - killed
    else:
        first = Stream(stub, 0)
        first.start()
        first.join()
        again = first.times[0] - killed
        wrong = sum(a != b for a, b in zip(first.ids, expected[0])) + abs(len(first.ids) - TOKENS)
    return detected, again, wrong


def main():
    parser = measure.arguments(__doc__.splitlines()[0])
    options = parser.parse_args()
    rows = []
    with Server(weft.SMOLLM2, "--ranks", 2, "--threads", 1, "--max-model-len", 1024) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = stubs.WeftStub(channel)
            streams = all_streams(stub)
            for s in streams:
                s.join()
            expected = [s.ids for s in streams]
            for busy in (True, False):
                for rank in (0, 1):
                    runs = [kill(server, stub, rank, busy, expected) for _ in range(options.rounds)]
                    detected, again, wrong = zip(*runs)
                    rows.append([f"rank {rank}", "4 streams" if busy else "idle", f"{1000 * statistics.median(detected):.0f}",
                                 f"{1000 * max(detected):.0f}", f"{statistics.median(again):.2f}", f"{max(again):.2f}", sum(wrong)])
    kills, options.rounds = options.rounds, 1  # these are no alternating rounds
    measure.write(options, "A rank is killed", f"`weft serve --ranks 2` with SmolLM2-135M Q4_1, kill -9 of one rank, {kills} times each, medians; "
                  "a client on the same machine. "
                  "Noticed: GetStats no longer says serving. Next token: of the last of the streams that has one, or of a request that is sent at "
                  "once; the model is loaded anew in this time. Wrong or lost: tokens that differ from an undisturbed run.",
                  measure.table(["killed", "while", "noticed, ms", "at most", "next token, s", "at most", "wrong or lost"], rows))


if __name__ == "__main__":
    main()
