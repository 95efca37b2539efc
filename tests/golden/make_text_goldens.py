#!/usr/bin/env python3
"""Writes tests/golden/text: small tokenizers with the pipelines of real models, and what Hugging Face makes of hostile text.

  make_text_goldens.py [--smollm2 SmolLM2.gguf]

The tokenizers are trained on the sources of Python's standard library and on the texts below. With --smollm2 the ids of
the real SmolLM2 tokenizer are written too (its vocabulary is not). Needs tokenizers, transformers 5, jinja2 and (for --smollm2) gguf.
"""
import argparse
import datetime
import json
import pathlib
import pydoc_data.topics
import sysconfig

import jinja2
import jinja2.ext
import jinja2.sandbox
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent / "text"

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = [
    "",
    " ",
    "  ",
    "a",
    "Hello, world!",
    " leading and trailing ",
    "The quick brown fox doesn't jump over the lazy dog's bowl; it'll've been I'd we'RE THEY'LL 'S 'T 'quoted'",
    "don’t can’t it’s",
    "'ſ 'Ll 'M'm'D'd",
    "def f(x):\n    return x + 1\n\n\n\tclass A:\r\n\r\n  pass\r\r\n",
    "tabs\tand\t\tmore \t mixed \n \t\r\n end",
    " " * 37 + "x" + " " * 5 + "\n" * 7 + " " * 3,
    "\n\n\n \n\n x\n",
    "1234567890 1,234,567.89 3.14e-10 0x1F 2²½ ٣٤٥ ๑๒ Ⅷ 一二三 ①②",
    "12345abc678 a1b22c333d4444",
    "😀😃👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️‍🔥 1️⃣",
    "e\u0301 \u00e9 a\u0323\u0302 \u1ead \u1112\u1161\u11ab \ud55c \u212b \u2126 \ufb01 q\u0307\u0323 \u0344 \u0958",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b",
    "שלום עולם, مرحبا بالعالم ‏مختلط LTR ‎text",
    "中文分词测试。日本語のテキスト、ひらがなカタカナ。한국어 텍스트입니다",
    "Привет, мир! Ελληνικά Україна Հայերեն ქართული हिन्दी தமிழ் ไทย ភាសាខ្មែរ",
    "\u0000\u0001\u0002 \u0007 \u001b[31m \u007f \u0085 \u00a0 \u00ad \u200b\u200c\u200d\u2060\ufeff",
    "\u180e \u2000\u2001\u2003 \u2028 \u2029 \u202f \u205f \u3000 x\u3000y",
    "\ue000\ue001\uf8ff \U000f0000 \U0010ffff \ufffd \ufffe \uffff \ufdd0",
    "".join(chr(c) for c in range(256)),
    "<|endoftext|><|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|", "|endoftext|>", "<<|endoftext|>>", "< |endoftext|>", "<|im_start|<|im_start|>|>", "<|IM_START|>",
    "<s>[INST] hi [/INST]</s><s> again </s>  <unk> <pad> <0x41> <0x0A> <s", "a<s>b</s>c", "<s></s>", " <s> ",
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nx<|eot_id|>",
    "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call><tool_call",
    "▁ ▁▁ a▁b ▁x", "Ġ Ċ ĉ Ā ł Ń", "_ __ ___ a_b_c",
    "!!!??? ... --- === *** ((([[[{{{ }}}]]]))) ~`@#$%^&*|\\/:;\"'<>,.",
    "http://user@example.com:8080/path?q=1&r=a%20b#frag",
    "CamelCaseIdentifier snake_case_identifier SCREAMING_CASE kebab-case",
    "ﷺ ꙮ 𒐫 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 Ａ１　ｱ ß ẞ ı İ ǆ",
    "x" * 300, "ab" * 200, "aaaa " * 60, "\u00e9" * 100, "😀" * 50, "e\u0301" * 80,
    "[SPACE]   a[SPACE]b  [LEFT]c[LEFT]  d [RIGHT]   e[RIGHT]f", "foo barword wordbar word, word\u0301 (word)word",
    "NORM norm Norm\u0301 e\u0301norm [LEFT][SPACE] [RIGHT] [LEFT]  [SPACE]",
]

# Large inputs are made by the test too: unit * times + tail. Their ids are compared by number and hash.
LARGE = [
    (" ", 1_000_000, "x"), ("a", 1_000_000, ""), ("\n", 1_000_000, ""), ("7", 1_000_000, ""), ("!", 1_000_000, " z"),
    (" \n", 500_000, "y"), ("\u0301", 500_000, ""), ("😀", 250_000, ""), ("中", 333_333, ""), ("<|im_start|", 90_000, ">"),
    ("The quick brown fox doesn't jump 123 times.\r\n", 22_000, ""), ("ab", 500_000, ""), ("\t ", 500_000, ""),
    ("'", 1_000_000, "s"), ("<", 1_000_000, ""),
]


def corpus():
    """Lines of code and prose; the texts above join in so that the vocabulary has tokens beyond English."""
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    names = ["argparse", "ast", "asyncio/tasks", "datetime", "difflib", "fractions", "heapq", "inspect", "locale",
             "random", "statistics", "string", "textwrap", "tokenize", "turtle", "typing"]
    text = "".join((library / f"{name}.py").read_text() for name in names)
    text += "\n".join(pydoc_data.topics.topics.values()) + "\n".join(TEXTS * 4)
    return text.splitlines(keepends=True)


def trained(tokenizer, vocab_size, specials=(), alphabet=pre_tokenizers.ByteLevel.alphabet()):
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=list(specials), initial_alphabet=sorted(alphabet),
                                  show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(pre, specials, vocab_size=1500, normalizer=None, **bpe):
    tokenizer = Tokenizer(models.BPE(**bpe))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return trained(tokenizer, vocab_size, specials)


def gpt2():
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])


def smollm():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return byte_level(pre, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def split_by(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def llama3():
    tokenizer = byte_level(split_by(LLAMA3), [], ignore_merges=True)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                  "<|eot_id|>"])
    begin = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1",
                                      special_tokens=[(begin, tokenizer.token_to_id(begin))])])
    return tokenizer


def qwen2():
    tokenizer = byte_level(split_by(QWEN2), [], normalizer=normalizers.NFC())
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)])
    return tokenizer


def flags():
    """Every flag of an added token, a prefix space, and a split that drops and joins."""
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split("_", "removed"), pre_tokenizers.Split(",", "merged_with_previous"),
                                   pre_tokenizers.Split(Regex("[A-Z]"), "merged_with_next"),
                                   pre_tokenizers.Split(Regex(r"\s+"), "contiguous", invert=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=True)])
    tokenizer = byte_level(pre, ["<s>", "</s>"], normalizer=normalizers.Sequence([normalizers.NFC()]))
    tokenizer.add_tokens([AddedToken("[LEFT]", lstrip=True), AddedToken("[RIGHT]", rstrip=True),
                          AddedToken("word", single_word=True), AddedToken("Norm\u0301", normalized=True),
                          AddedToken("[SPACE]", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))])
    return tokenizer


def sentencepiece(metaspace_first):
    """Llama 2's pipeline (or, with metaspace_first, that of later Mistral models). As in the conversion of a real
    SentencePiece model, every cut of a token into two tokens is a merge, ranked by the token's score."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    learned = trained(tokenizer, 1200, alphabet=[chr(c) for c in range(33, 127)] + ["▁"])
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    learned_vocabulary = sorted(learned.get_vocab().items(), key=lambda item: item[1])
    # The letters come last, as SentencePiece writes them, and rare ones are left out: they fall back to bytes.
    pieces += [p for p, _ in learned_vocabulary if len(p) > 1]
    pieces += [p for p, _ in learned_vocabulary if len(p) == 1 and (p < "\u0250" or p == "▁")]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, rank in vocabulary.items():
        if not (piece.startswith("<") and rank < 259):
            merges += [(rank, vocabulary[piece[:i]], piece[:i], piece[i:]) for i in range(1, len(piece))
                       if piece[:i] in vocabulary and piece[i:] in vocabulary]
    merges = [(left, right) for _, _, left, right in sorted(merges, key=lambda merge: merge[0])]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if metaspace_first:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def llama2():
    return sentencepiece(metaspace_first=False)


def mistral():
    return sentencepiece(metaspace_first=True)


def smollm2(path):
    """The real tokenizer, put together as its authors' tokenizer.json is; transformers' own reading of the GGUF drops
    the digit split."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    pieces = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(p, normalized=False) for p, t in zip(pieces, types) if t == 3])
    return tokenizer


def hash_ids(ids):
    """FNV-1a over the ids, each as one 32-bit unit."""
    value = 0xCBF29CE484222325
    for i in ids:
        value = ((value ^ i) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def encodings(tokenizer):
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        cases.append({"text": text, "ids": ids, "with_special": tokenizer.encode(text).ids, "not_parsed": plain,
                      "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                      "decoded_skip": tokenizer.decode(ids, skip_special_tokens=True)})
    large = []
    for unit, times, tail in LARGE:
        ids = tokenizer.encode(unit * times + tail, add_special_tokens=False).ids
        large.append({"unit": unit, "times": times, "tail": tail, "count": len(ids), "hash": hash_ids(ids)})
    # Ids that no text gives: broken characters, byte tokens out of place.
    import random
    draw = random.Random(7)
    size = tokenizer.get_vocab_size()
    decodes = []
    for n in list(range(1, 12)) * 12:
        ids = [draw.randrange(size if draw.random() < 0.3 else min(size, 400)) for _ in range(n)]
        decodes.append({"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)})
    return {"cases": cases, "large": large, "decodes": decodes}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


class Generation(jinja2.ext.Extension):
    """{% generation %}, which transformers adds: here only its body."""
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def chat_goldens():
    """Every template of text/templates over every conversation, as transformers renders it."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda f: datetime.datetime.now().strftime(f)
    conversations = json.loads((HERE / "conversations.json").read_text())
    cases = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = environment.from_string(path.read_text())
        for i, messages in enumerate(conversations):
            for prompt in (False, True):
                try:
                    text = template.render(messages=messages, add_generation_prompt=prompt, bos_token="<s>",
                                           eos_token="</s>", tools=None, documents=None)
                except (jinja2.exceptions.TemplateError, jinja2.exceptions.UndefinedError) as error:
                    cases.append({"template": path.name, "conversation": i, "prompt": prompt, "error": str(error)})
                else:
                    cases.append({"template": path.name, "conversation": i, "prompt": prompt, "text": text})
    write_json(HERE / "chat.json", cases)


def chat_file_goldens():
    """The chats of chats.json, as transformers' apply_chat_template writes them."""
    from transformers import PreTrainedTokenizerFast
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    goldens = []
    for case in json.loads((HERE / "chats.json").read_text()):
        chat = case["chat"] if isinstance(case["chat"], dict) else {"messages": case["chat"]}
        options = {key: value for key, value in chat.items() if key not in ("messages", "chat_template_kwargs")}
        options.setdefault("add_generation_prompt", not options.get("continue_final_message"))
        try:
            text = tokenizer.apply_chat_template(
                chat["messages"], chat_template=(HERE / "templates" / case["template"]).read_text(), tokenize=False,
                **options, **chat.get("chat_template_kwargs", {}))
        except (ValueError, jinja2.exceptions.TemplateError) as error:
            goldens.append({"error": str(error)})
        else:
            goldens.append({"text": text})
    write_json(HERE / "chats_golden.json", goldens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", help="the GGUF file of SmolLM2-135M-Instruct")
    parser.add_argument("--only-chat", action="store_true")
    args = parser.parse_args()
    chat_goldens()
    chat_file_goldens()
    if args.only_chat:
        return
    if args.smollm2:
        write_json(HERE / "smollm2.json", encodings(smollm2(args.smollm2)))
    for make in (gpt2, smollm, llama3, qwen2, flags, llama2, mistral):
        folder = HERE / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = make()
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
        write_json(folder / "golden.json", encodings(tokenizer))


if __name__ == "__main__":
    main()
