#!/usr/bin/env python3
"""Clients that take too much: connections, pings, compressed requests, answers that nobody reads. The others are served on."""
import os
import socket
import struct
import time
import unittest

import weft
weft.use_weft_python()
from grpc_server import Server, TINY, python_client

CLIENT = python_client()
if CLIENT:
    import grpc
    pb, stubs = CLIENT

MAX_REQUESTS = 8
FILES = 128  # the limit of open files
FEW_FILES = ["bash", "-c", f'ulimit -n {FILES}; exec "$@"', "bash"]


def connect(server):
    host, port = server.address.split(":")
    return socket.create_connection((host, int(port)))


def channel(server, **options):
    """One with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), *((f"grpc.{name}", value) for name, value in options.items())]
    return grpc.insecure_channel(server.address, options=options)


class RawHttp2:
    """A client that no library would be: its window for answers is 0, so that the server can never send a byte of them."""

    def __init__(self, server):
        self.socket, self.stream = connect(server), 1
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0, struct.pack(">HI", 4, 0)))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def generate(self, **fields):
        fields = (":method", "POST", ":scheme", "http", ":path", "/weft.v1.Weft/Generate", ":authority", "x",
                  "content-type", "application/grpc", "te", "trailers"), pb.GenerateRequest(**fields).SerializeToString()
        headers = b"".join((b"\0" if i % 2 == 0 else b"") + bytes([len(text)]) + text.encode() for i, text in enumerate(fields[0]))
        message = struct.pack(">BI", 0, len(fields[1])) + fields[1]
        self.socket.sendall(self.frame(1, 4, self.stream, headers) + self.frame(0, 1, self.stream, message))
        self.stream += 2


    def is_cut_off_pinging(self, interval, pings):
        """Whether the server has ended the connection for too many pings."""
        self.socket.settimeout(10)
        try:
            for _ in range(pings):
                self.socket.sendall(self.frame(6, 0, 0, bytes(8)))
                time.sleep(interval)
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the server has closed it
            pass
        received = b""
        while data := self.socket.recv(65536):
            received += data
        self.socket.close()
        return b"too_many_pings" in received


@unittest.skipUnless(CLIENT, "grpcio-tools is not installed for this Python")
class HostileClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(TINY, "--ranks", 2, "--max-requests", MAX_REQUESTS, command=FEW_FILES)
        cls.ranks = cls.server.ranks()

    @classmethod
    def tearDownClass(cls):
        try:
            assert cls.server.ranks() == cls.ranks, "a rank died"
            assert cls.server.stop() == 0
        finally:
            cls.server.kill()

    def setUp(self):
        self.channel = channel(self.server)
        self.addCleanup(self.channel.close)
        self.stub = stubs.WeftStub(self.channel)
        self.assertEqual(self.served(self.channel), 20)

    def served(self, to):
        request = pb.GenerateRequest(text="a", max_tokens=20, ignore_eos=True)
        return sum(len(message.token_ids) for message in stubs.WeftStub(to).Generate(request, timeout=10))

    def new_client_is_served(self):
        with channel(self.server) as new:
            try:
                return self.served(new) == 20
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                return False

    def wait_for(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_more_connections_than_files(self):
        self.assertIn(f"the limit of open files (ulimit -n) is {FILES}: at most 64 connections", "".join(self.server.log))
        connections = [connect(self.server) for _ in range(208)]
        self.wait_for(lambda: not self.new_client_is_served())
        self.assertEqual(self.served(self.channel), 20)
        self.assertLess(len(os.listdir(f"/proc/{self.server.process.pid}/fd")), FILES)
        for connection in connections:
            connection.close()
        self.wait_for(self.new_client_is_served)

    def test_pings_of_a_waiting_client_are_welcome(self):
        with channel(self.server, keepalive_time_ms=1000, keepalive_timeout_ms=5000, keepalive_permit_without_calls=1,
                     **{"http2.max_pings_without_data": 0}) as pinging:
            watch = pinging.unary_stream("/grpc.health.v1.Health/Watch")  # a call without traffic
            with self.assertRaises(grpc.RpcError) as raised:
                list(watch(b"", timeout=6))
            self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_only_a_flood_of_pings_is_cut_off(self):
        self.assertFalse(RawHttp2(self.server).is_cut_off_pinging(1, 5))
        self.assertTrue(RawHttp2(self.server).is_cut_off_pinging(0.05, 20))
        self.assertEqual(self.served(self.channel), 20)

    def test_compressed_requests_are_refused_before_they_are_unpacked(self):
        def peak_kib():
            with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as f:
                return int(next(line for line in f if line.startswith("VmHWM")).split()[1])

        before = peak_kib()
        for algorithm in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            for request in (pb.GenerateRequest(text="a" * (128 << 20)), pb.GenerateRequest(text="a", max_tokens=1)):
                with self.assertRaises(grpc.RpcError) as raised:
                    list(self.stub.Generate(request, timeout=30, compression=algorithm))
                self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
                self.assertRegex(raised.exception.details(), "'(gzip|deflate)' is disabled")
            with self.assertRaises(grpc.RpcError) as raised:
                self.stub.GetStats(pb.GetStatsRequest(), compression=algorithm)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertLess(peak_kib() - before, 64 << 10)
        self.assertEqual(self.served(self.channel), 20)

    def test_prompts_too_long_to_fit_delay_nobody(self):
        request = pb.GenerateRequest(text="abcdefgh" * (15 << 17))
        calls = []
        for _ in range(8):
            long = channel(self.server, max_send_message_length=-1)
            self.addCleanup(long.close)
            calls.append(stubs.WeftStub(long).Generate(request, timeout=60))
        health, waited = self.channel.unary_unary("/grpc.health.v1.Health/Check"), []
        while not all(call.done() for call in calls):
            start = time.monotonic()
            self.assertEqual(health(b"", timeout=10), b"\x08\x01")
            self.assertEqual(self.served(self.channel), 20)
            waited.append(time.monotonic() - start)
        for call in calls:
            self.assertEqual(call.code(), grpc.StatusCode.INVALID_ARGUMENT, call.details())
            self.assertIn(f"{15 << 20} bytes", call.details())
        self.assertLess(max(waited), 1.5)
        with self.assertRaises(grpc.RpcError) as raised:
            stubs.WeftStub(long).Tokenize(pb.TokenizeRequest(text=request.text))
        self.assertIn(f"{15 << 20} bytes", raised.exception.details())

    def test_answers_that_nobody_reads_count(self):
        before = self.stub.GetStats(pb.GetStatsRequest())
        client = RawHttp2(self.server)
        for _ in range(50):
            client.generate(text="a", max_tokens=2)

        def stats():
            return self.stub.GetStats(pb.GetStatsRequest())

        self.wait_for(lambda: stats().requests_accepted + stats().requests_refused >=
                      before.requests_accepted + before.requests_refused + 50)
        time.sleep(0.1)  # the answers have long been finished
        self.assertEqual(stats().requests_unfinished, MAX_REQUESTS)
        self.assertEqual(stats().requests_refused - before.requests_refused, 50 - MAX_REQUESTS)
        with self.assertRaises(grpc.RpcError) as raised:
            self.served(self.channel)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        client.socket.close()
        self.wait_for(lambda: stats().requests_unfinished == 0)
        self.assertEqual(self.served(self.channel), 20)


if __name__ == "__main__":
    unittest.main()
