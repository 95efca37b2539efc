#!/usr/bin/env python3
"""Writes tests/golden/text/added_tokens.json: what transformers makes of tokens that only the files beside tokenizer.json name.

Each case is a set of files beside tests/golden/text/gpt2/tokenizer.json (one added token, <|endoftext|>, with id 0; 1,500 ids).
Needs transformers 5.23.
"""
import json
import pathlib
import shutil
import tempfile

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent / "text"
TEXT = "<|endoftext|> <x> a<y>b <z> the\u0301 NORM"


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **flags}


def decoder(**tokens):
    """added_tokens_decoder; a key is "i" and an id."""
    return {"added_tokens_decoder": {key[1:]: value for key, value in tokens.items()}}


# Name: files by their name without ".json".
CASES = {
    "ids in order": {"tokenizer_config": decoder(i1500=token("<x>"), i1501=token("<y>", special=False))},
    "ids with gaps": {"tokenizer_config": decoder(i0=token("<|endoftext|>"), i2000=token("<x>"), i1700=token("<y>"))},
    "an id that another token has": {"tokenizer_config": decoder(i5=token("<x>"))},
    "flags of a listed token": {"tokenizer_config": decoder(i0=token("<|endoftext|>", rstrip=True, special=False))},
    "flags of new tokens": {"tokenizer_config": decoder(i1500=token("<x>", lstrip=True, rstrip=True), i1501=token("<y>", single_word=True),
                                                        i1502=token("<z>", single_word=True))},
    "a token of the vocabulary": {"tokenizer_config": decoder(i1=token("the", special=False, normalized=True))},
    "named tokens": {"tokenizer_config": {"bos_token": "<x>", "eos_token": "<|endoftext|>", "pad_token": "<y>", "image_token": "<z>"}},
    "a named token is special": {"tokenizer_config": {"eos_token": "<x>", **decoder(i1500=token("<x>", special=False, normalized=True))}},
    "further special tokens": {"tokenizer_config": {"additional_special_tokens": ["<x>", "<y>"], "extra_special_tokens": None}},
    "extra tokens by name": {"tokenizer_config": {"extra_special_tokens": {"first_token": "<x>"}}},
    "special_tokens_map": {"special_tokens_map": {
        "bos_token": "<x>", "eos_token": {"content": "<y>", "lstrip": False, "rstrip": True, "normalized": True, "single_word": False},
        "additional_special_tokens": ["<z>"]}},
    "special_tokens_map before tokenizer_config": {"special_tokens_map": {"bos_token": "<x>"}, "tokenizer_config": {"bos_token": "<y>"}},
    "special_tokens_map beside added_tokens_decoder": {"special_tokens_map": {"bos_token": "<x>"}, "tokenizer_config": decoder(i1500=token("<y>"))},
    "added_tokens": {"added_tokens": {"<x>": 1501, "<y>": 1500, "<|endoftext|>": 0}},
    "added_tokens with a name": {"added_tokens": {"<x>": 1500, "<y>": 1501}, "tokenizer_config": {"eos_token": "<y>"}},
    "added_tokens beside added_tokens_decoder": {"added_tokens": {"<x>": 1500}, "tokenizer_config": decoder(i1500=token("<y>"))},
    "an empty name": {"tokenizer_config": {"unk_token": "", "bos_token": None, "eos_token": "<x>"}},
    "add_bos_token": {"tokenizer_config": {"bos_token": "<x>", "add_bos_token": True, "add_eos_token": True}},
}


def answer(files):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copy(HERE / "gpt2" / "tokenizer.json", folder)
        (folder / "config.json").write_text('{"model_type": "llama"}')
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
        for name, content in files.items():
            if name == "tokenizer_config":
                content = {"tokenizer_class": "PreTrainedTokenizerFast", **content}
            (folder / f"{name}.json").write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer.encode(TEXT)
        return {"ids": ids, "without_special": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
                "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}


def main():
    lines = ",\n".join(json.dumps({"name": name, "files": files, **answer(files)}) for name, files in CASES.items())
    (HERE / "added_tokens.json").write_text(f"{{\"text\": {json.dumps(TEXT)},\n\"cases\": [\n{lines}\n]}}\n")


if __name__ == "__main__":
    main()
