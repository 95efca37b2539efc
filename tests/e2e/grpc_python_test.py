#!/usr/bin/env python3
"""The gRPC interface from a Python client that grpcio-tools generates from the .proto. WEFT_PYTHON names a Python that has
grpcio and grpcio-tools; without one the tests are skipped."""
import threading
import time
import unittest

import weft
weft.use_weft_python()
from grpc_server import Server, TINY, python_client

CLIENT = python_client()
if CLIENT:
    import grpc
    from google.protobuf import descriptor_pool
    pb, stubs = CLIENT

PROMPT = "The quick brown fox"
LONG = 150  # tokens: long enough to do something meanwhile


def fields(message, number):
    """The values of a field that holds bytes, text or messages, in a message whose .proto is not at hand."""
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    at, found = 0, []
    while at < len(message):
        tag = varint()
        size = varint()  # of type 2; a number is passed over by reading it
        if tag & 7 == 2:
            if tag >> 3 == number:
                found.append(message[at:at + size])
            at += size
    return found


def request(text=PROMPT, max_tokens=20, **fields):
    fields.setdefault("ignore_eos", True)
    if text is not None:
        fields["text"] = text
    return pb.GenerateRequest(max_tokens=max_tokens, **fields)


@unittest.skipUnless(CLIENT, "grpcio-tools is not installed for this Python")
class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(TINY, "--ranks", 2, "--max-requests", 40, "--max-model-len", 256)
        cls.channel = grpc.insecure_channel(cls.server.address, options=[("grpc.max_send_message_length", -1)])
        cls.stub = stubs.WeftStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        code = cls.server.stop()
        cls.server.kill()
        assert code == 0, code

    def generate(self, r, **options):
        """(text, token ids, last message)"""
        text, ids, last = "", [], None
        for message in self.stub.Generate(r, timeout=60, **options):
            text += message.text
            ids += message.token_ids
            last = message
        return text, ids, last

    def refused(self, code, r, words="."):
        with self.assertRaises(grpc.RpcError) as raised:
            self.generate(r)
        self.assertEqual(raised.exception.code(), code, raised.exception.details())
        self.assertRegex(raised.exception.details(), words)

    def wait_until_free(self):
        deadline = time.monotonic() + 20
        while self.stub.GetStats(pb.GetStatsRequest()).requests_unfinished:
            self.assertLess(time.monotonic(), deadline, "requests of clients that are gone still run")
            time.sleep(0.02)

    def test_stream(self):
        messages = list(self.stub.Generate(request(max_tokens=220), timeout=60))
        self.assertGreater(len(messages), 5, "the answer came in one piece")
        for message in messages[:-1]:
            self.assertEqual(message.finish_reason, pb.FINISH_REASON_UNSPECIFIED)
        last = messages[-1]
        self.assertEqual(last.finish_reason, pb.FINISH_REASON_LENGTH)
        self.assertEqual(last.usage.completion_tokens, 220)
        self.assertEqual(sum(len(m.token_ids) for m in messages), 220)
        self.assertGreater(last.timings.ttft_s, 0)
        self.assertGreaterEqual(last.timings.total_s, last.timings.ttft_s)
        self.assertGreater(last.timings.decode_tok_s, 0)
        self.assertNotEqual(last.fingerprint, 0)

    def test_prompts(self):
        ids = list(self.stub.Tokenize(pb.TokenizeRequest(text=PROMPT)).token_ids)
        text, tokens, last = self.generate(request())
        self.assertEqual(last.usage.prompt_tokens, len(ids))
        self.assertEqual(self.generate(request(None, token_ids=pb.TokenIds(ids=ids)))[:2], (text, tokens))

    def test_sampling_follows_the_seed(self):
        def sampled(**sampling):
            return self.generate(request(sampling=pb.SamplingParams(temperature=1, **sampling)))

        first, again, other = sampled(seed=7), sampled(seed=7), sampled(seed=8)
        self.assertEqual(first[:2], again[:2])
        self.assertNotEqual(first[1], other[1])
        drawn = sampled()
        self.assertEqual(sampled(seed=drawn[2].seed)[:2], drawn[:2])
        self.assertEqual(sampled(top_k=1)[1], self.generate(request())[1])

    def test_stop_string(self):
        text, _, _ = self.generate(request(max_tokens=80))
        stop = text[len(text) // 2:][:3]
        got, _, last = self.generate(request(max_tokens=80, stop=[stop]))
        self.assertEqual(got, text[:text.index(stop)])
        self.assertEqual(last.finish_reason, pb.FINISH_REASON_STOP)
        self.assertEqual(last.stop_string, stop)

    def test_batch_and_batch_mates(self):
        requests = [request(text=PROMPT[:n], max_tokens=5 + n) for n in range(1, 13)]
        alone = [self.generate(r)[:2] for r in requests]
        requests.insert(4, request(max_tokens=-1))
        alone.insert(4, None)
        texts, ids, errors, finished = {}, {}, {}, []
        for message in self.stub.GenerateBatch(pb.GenerateBatchRequest(requests=requests), timeout=60):
            if message.HasField("error"):
                errors[message.index] = message.error
                continue
            self.assertNotIn(message.index, finished)
            texts[message.index] = texts.get(message.index, "") + message.response.text
            ids.setdefault(message.index, []).extend(message.response.token_ids)
            if message.response.finish_reason:
                finished.append(message.index)
        self.assertEqual(list(errors), [4])
        self.assertEqual(errors[4].code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
        for i, expected in enumerate(alone):
            if expected:
                self.assertEqual((texts[i], ids[i]), expected)
        self.assertEqual(len(finished), 12)

    def test_bad_requests(self):
        bad = grpc.StatusCode.INVALID_ARGUMENT
        vocab = self.stub.GetModelInfo(pb.GetModelInfoRequest()).vocab_size
        self.refused(bad, pb.GenerateRequest(), "no prompt")
        self.refused(bad, request(""), "empty")
        self.refused(bad, request(None, token_ids=pb.TokenIds()), "empty")
        self.refused(bad, request(None, token_ids=pb.TokenIds(ids=[-1])), "-1.*out of range")
        self.refused(bad, request(None, token_ids=pb.TokenIds(ids=[vocab])), f"{vocab}.*out of range")
        self.refused(bad, request(None, token_ids=pb.TokenIds(ids=[1] * 256)), "256.*255")
        self.refused(bad, request("a " * 100_000), "max-model-len")
        self.refused(bad, request(None, chat=pb.Chat(messages=[pb.ChatMessage(role="user", content="Hi")])), "chat template")
        for n in (0, -1, 2**30):
            self.refused(bad, request(max_tokens=n), f"max_tokens is {n}")
        nan = float("nan")
        for name, values in (("temperature", (-1, 1000, nan)), ("top_k", (-1,)), ("top_p", (0, -1, 2, nan)), ("min_p", (-1, 2, nan)),
                             ("repetition_penalty", (0, -1, 1e9, nan)), ("presence_penalty", (-3, 3, nan)),
                             ("frequency_penalty", (-3, 3, nan))):
            for value in values:
                self.refused(bad, request(sampling=pb.SamplingParams(**{name: value})), name)
        self.refused(bad, request(stop=["x"] * 17), "17 stop strings")
        self.refused(bad, request(stop=[""]), "stop string")
        self.refused(bad, request(stop=["x" * 1000]), "1000 bytes")
        self.generate(request())

    def test_bytes_that_are_no_request(self):
        call = self.channel.unary_stream("/weft.v1.Weft/Generate")
        for data in (b"\x0a\x02\xc3\x28", b"\xff\xff\xff\xff", b"\x0a\x7fa"):
            with self.assertRaises(grpc.RpcError) as raised:
                list(call(data, timeout=30))
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn("UTF-8", raised.exception.details())
        self.generate(request())

    def test_oversized_message(self):
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, request("x" * (20 << 20)))
        self.generate(request())

    def test_a_batch_larger_than_max_requests(self):
        batch = pb.GenerateBatchRequest(requests=[request(max_tokens=1 + i % 3) for i in range(1024)])
        tokens = [0] * 1024
        for message in self.stub.GenerateBatch(batch, timeout=60):
            self.assertFalse(message.HasField("error"), message.error.message)
            tokens[message.index] += len(message.response.token_ids)
        self.assertEqual(tokens, [1 + i % 3 for i in range(1024)])

    def test_a_batch_of_more_than_1024(self):
        with self.assertRaises(grpc.RpcError) as raised:
            list(self.stub.GenerateBatch(pb.GenerateBatchRequest(requests=[request()] * 1025), timeout=60))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("1 to 1024", raised.exception.details())

    def test_cancel_frees_the_engine(self):
        call = self.stub.Generate(request(max_tokens=LONG), timeout=60)
        next(call)
        call.cancel()
        with self.assertRaises(grpc.RpcError) as raised:
            list(call)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.CANCELLED)
        self.wait_until_free()

    def test_deadline(self):
        batch = pb.GenerateBatchRequest(requests=[request(max_tokens=LONG)] * 40)
        with self.assertRaises(grpc.RpcError) as raised:
            list(self.stub.GenerateBatch(batch, timeout=0.05))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.wait_until_free()

    def test_many_clients_at_once(self):
        expected = {n: self.generate(request(max_tokens=n))[:2] for n in range(10, 20)}
        wrong = []

        def ask(n):
            try:
                if self.generate(request(max_tokens=n))[:2] != expected[n]:
                    wrong.append(n)
            except grpc.RpcError as error:
                wrong.append(error)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(10, 20) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_info_and_stats(self):
        info = self.stub.GetModelInfo(pb.GetModelInfoRequest())
        self.assertEqual(info.model, "llama3")
        self.assertEqual(info.model_type, "llama")
        self.assertEqual(info.max_model_len, 256)
        self.assertIn("tp=2", info.mesh)
        self.assertTrue(info.has_tokenizer)
        self.assertFalse(info.has_chat_template)
        before = self.stub.GetStats(pb.GetStatsRequest())
        self.generate(request(max_tokens=9))
        after = self.stub.GetStats(pb.GetStatsRequest())
        self.assertEqual(after.state, "serving")
        self.assertEqual(after.tokens_generated - before.tokens_generated, 9)
        self.assertEqual(after.engine.free_blocks, after.engine.total_blocks)

    def test_health(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        serving = b"\x08\x01"
        self.assertEqual(check(b"", timeout=10), serving)
        self.assertEqual(check(b"\x0a\x0cweft.v1.Weft", timeout=10), serving)
        with self.assertRaises(grpc.RpcError) as raised:
            check(b"\x0a\x07unknown", timeout=10)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_reflection_describes_every_service(self):
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        services = [fields(service, 1)[0].decode() for service in fields(fields(next(reflect(iter([b"\x3a\x00"]), timeout=10)), 6)[0], 1)]
        self.assertLessEqual({"weft.v1.Weft", "grpc.health.v1.Health"}, set(services))
        methods = {}
        for service in services:
            symbol = service.encode()
            reply = next(reflect(iter([b"\x22" + bytes([len(symbol)]) + symbol]), timeout=10))  # file_containing_symbol
            pool = descriptor_pool.DescriptorPool()
            for file in reversed(fields(fields(reply, 4)[0], 1)):  # those it imports come behind it
                pool.AddSerializedFile(file)
            methods[service] = [method.name for method in pool.FindServiceByName(service).methods]
        self.assertEqual(methods["grpc.health.v1.Health"], ["Check", "Watch"])
        self.assertIn("GenerateBatch", methods["weft.v1.Weft"])


@unittest.skipUnless(CLIENT, "grpcio-tools is not installed for this Python")
class RealModel(unittest.TestCase):
    @weft.needs_smollm2
    def test_chat(self):
        with Server(weft.SMOLLM2, "--ranks", 2, "--max-model-len", 1024) as server, grpc.insecure_channel(server.address) as channel:
            chat = pb.Chat(messages=[pb.ChatMessage(role="user", content="What is gravity?")])
            messages = list(stubs.WeftStub(channel).Generate(pb.GenerateRequest(chat=chat, max_tokens=40), timeout=120))
            self.assertIn("Gravity is", "".join(m.text for m in messages))
            self.assertGreater(len(messages), 5)


if __name__ == "__main__":
    unittest.main()
