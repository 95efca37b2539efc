#!/usr/bin/env python3
"""Writes tests/golden/text/components.json: what Hugging Face's normalizers and pre-tokenizers make of texts.

Each case is a normalizer and a pre-tokenizer as tokenizer.json writes them, with a hash of the words of all texts. Random ones
follow those that are written out. Needs tokenizers.
"""
import json
import pathlib
import random

from tokenizers import Regex, Tokenizer, models, normalizers as N, pre_tokenizers as P

TEXTS = ["", " ", "a", " a", "a ", "  ab  c ", "Hello, World! 123 abc45", "e\u0301 \u00e9x ﬁ Å ½", "▁a ▁▁b", "_x__y_ a-b", "中文 abC한국",
         "a\tb\nc\r\n d", "\u00a0x\u3000y\u2003", "don't I'LL", "😀 ok", "İSTANBUL ǅ ΑΣ", "a,b,,c", "\u200bz\u200dw", "$1+2=3~`^"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def all_splits():
    for behavior in BEHAVIORS:
        for invert in (False, True):
            for pattern in (" ", Regex(r"[a-c]"), Regex(r"\s+"), Regex(r"b?")):
                yield None, P.Split(pattern, behavior, invert)
        yield None, P.Punctuation(behavior)


def listed():
    yield from all_splits()
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            yield None, P.Metaspace(prepend_scheme=scheme, split=split)
            yield None, P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme=scheme, split=split)])
    for digits in (P.Digits(True), P.Digits(False), P.Whitespace(), P.WhitespaceSplit(), P.CharDelimiterSplit(",")):
        yield None, digits
    for normalizer in (N.NFC(), N.NFD(), N.NFKC(), N.NFKD(), N.Lowercase(), N.Strip(), N.Strip(left=False), N.Strip(right=False),
                       N.Prepend("▁"), N.Replace(" ", "▁"), N.Replace(Regex(r"\s+"), " "), N.Sequence([N.NFKC(), N.Lowercase()])):
        yield normalizer, P.ByteLevel(add_prefix_space=False)
    yield None, P.ByteLevel(add_prefix_space=True)
    yield None, P.ByteLevel(add_prefix_space=True, use_regex=False)


def drawn(draw):
    def step():
        return draw.choice([lambda: P.Split(draw.choice([" ", "a", Regex(r"\w+"), Regex("[A-Z]"), Regex("x*")]),
                                            draw.choice(BEHAVIORS), draw.random() < 0.3),
                            lambda: P.Digits(draw.random() < 0.5), lambda: P.Punctuation(draw.choice(BEHAVIORS)),
                            lambda: P.Metaspace(prepend_scheme=draw.choice(["always", "never"]), split=draw.random() < 0.5)])()
    return draw.choice([None, N.NFKD(), N.Lowercase()]), P.Sequence([step() for _ in range(draw.randint(1, 3))])


def words_hash(normalizer, pre_tokenizer):
    """FNV-1a of every word and a zero behind it."""
    value = 0xCBF29CE484222325
    for text in TEXTS:
        for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text) if normalizer else text):
            for byte in word.encode() + b"\0":
                value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def main():
    draw = random.Random(3)
    lines = []
    for normalizer, pre_tokenizer in [*listed(), *(drawn(draw) for _ in range(60))]:
        tokenizer = Tokenizer(models.BPE())
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        written = json.loads(tokenizer.to_str())
        lines.append(json.dumps({"normalizer": written["normalizer"], "pre_tokenizer": written["pre_tokenizer"],
                                 "hash": words_hash(normalizer, pre_tokenizer)}))
    (pathlib.Path(__file__).parent / "text" / "components.json").write_text(
        f"{{\"texts\": {json.dumps(TEXTS)},\n\"cases\": [\n" + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
