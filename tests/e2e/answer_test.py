#!/usr/bin/env python3
"""From token ids to the text of an answer, by `weft generate` and `weft serve`: on models that follow a written sequence of
tokens."""
import json
import os
import tempfile
import unittest

import successor
import weft
from grpc_server import Server

LLAMA2 = os.path.join(weft.SOURCE, "tests", "golden", "text", "llama2", "tokenizer.json")
E = 256  # the id of the first added token of a byte tokenizer


def chain(*ids):
    """{id: the next}"""
    return dict(zip(ids, ids[1:]))


class Answer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def bytes_model(self, ids, added=("<e>",), **options):
        return successor.write_directory(self.folder.name, chain(*ids), successor.byte_tokenizer(added), [E], **options)

    def answer(self, prompt, *args, model=None):
        return weft.generate(model or self.folder.name, "--prompt", prompt, "--max-tokens", 8, *args)

    def test_sentencepiece_keeps_the_space_behind_the_prompt(self):
        self.llama2_model()
        self.assertEqual(self.answer("and the")["text"], " a")
        self.assertEqual(self.answer("<s>")["text"], "the a")  # only BOS before: the text begins here

    def test_a_server_decodes_behind_the_prompt_too(self):
        the, _, model = self.llama2_model()
        batch = os.path.join(self.folder.name, "batch.jsonl")
        with open(batch, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(line) + "\n" for line in ({"prompt": "and the"}, {"token_ids": [1, the]}, {"token_ids": [1]}))
        with Server(model) as server:
            done = weft.run("client", "--target", server.address, "--batch", batch, "--max-tokens", 8)
            self.assertEqual(done.code, 0, done.err)
            answers = {line["index"]: line["text"] for line in map(json.loads, done.out.splitlines())}
            self.assertEqual(answers, {0: " a", 1: " a", 2: "the a"})
            done = weft.run("client", "--target", server.address, "--prompt", "and the", "--stop", " a</s>", "--json")
            self.assertEqual(json.loads(done.out)["text"], "", done.err)

    def llama2_model(self):
        with open(LLAMA2, encoding="utf-8") as f:
            tokenizer = json.load(f)
        the, a = tokenizer["model"]["vocab"]["▁the"], tokenizer["model"]["vocab"]["▁a"]
        return the, a, successor.write_directory(self.folder.name, {the: a, a: 2, 1: the}, tokenizer, [2],
                                                 files={"tokenizer_config.json": {"bos_token": "<s>"}})

    def test_a_special_token_stops(self):
        self.bytes_model([97, 98, 257, 120, 121, E], added=("<e>", "<|eot|>"))
        for stop, text in (("<|eot|>", "b"), ("b<|eot|>", ""), ("<|eot|>x", "b"), ("bx", ""), ("eot", "bxy"), ("<e>", "bxy")):
            with self.subTest(stop):
                result = self.answer("a", "--stop", stop)
                self.assertEqual((result["text"], result["finish_reason"]), (text, "stop"))

    def test_ids_beyond_the_tokenizer_give_no_text(self):
        self.bytes_model([97, 98, 300, 99, E], vocab=320)
        result = self.answer("a")
        self.assertEqual((result["text"], result["token_ids"]), ("bc", [98, 300, 99, E]))
        self.assertEqual(self.answer("a", "--stop", "bc")["text"], "")

    def gguf(self, ids, special, **options):
        keys = {"pre": "gpt-2", "bos_token_id": 256, "eos_token_id": 257}
        return successor.write_gguf(os.path.join(self.folder.name, "model.gguf"), chain(*ids), special, keys=keys, **options)

    def test_end_tokens_that_a_gguf_names_by_their_text(self):
        for text in ("<|eot_id|>", "<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<|eom_id|>", "<｜end▁of▁sentence｜>"):
            for kind in (1, successor.CONTROL):
                with self.subTest(text, kind=kind):
                    model = self.gguf([97, 98, 258, 120, 121, 257], [("<b>", 3), ("<e>", 3), (text, kind)])
                    result = self.answer("a", model=model)
                    self.assertEqual((result["text"], result["token_ids"]), ("b", [98, 258]))
        model = self.gguf([97, 98, 258, 99, 257], [("<b>", 3), ("<e>", 3), ("<|start|>", 3)])
        self.assertEqual(self.answer("a", model=model)["text"], "bc")

    def test_a_tokenizer_in_another_format_is_named(self):
        model = self.bytes_model([97, E])
        os.rename(os.path.join(model, "tokenizer.json"), os.path.join(model, "tokenizer.model"))
        done = weft.run("generate", "--model", model, "--prompt", "a")
        self.assertEqual(done.code, 2)
        self.assertIn("has no tokenizer.json, and tokenizer.model is not read", done.err)


if __name__ == "__main__":
    unittest.main()
