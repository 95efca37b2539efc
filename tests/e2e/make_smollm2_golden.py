#!/usr/bin/env python3
"""Makes tests/e2e/smollm2.json: greedy answers of SmolLM2-135M-Instruct by transformers in float32, on the weights that the
GGUF holds (dequantised, not rounded to bf16). Needs torch, transformers 5.23 and gguf.

  make_smollm2_golden.py SmolLM2-135M-Instruct.Q4_1.gguf

transformers' conversion of this file drops the split of digits from its tokenizer; it is put back here.
"""
import json
import os
import sys

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

TOKENS = 64
PROMPTS = [
    "The capital of France is",
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "def fibonacci(n):\n    \"\"\"Returns the n-th Fibonacci number.\"\"\"\n",
    "In 1969, Apollo 11 landed on the Moon after a flight of 384,400 km. The first person to walk on it was",
    "Il était une fois, dans un petit village près de la mer, une jeune fille qui s’appelait",
]


@torch.no_grad()
def greedy(model, ids):
    """TOKENS ids and the distance of the best logit from the second at each; runs past the end-of-text token."""
    out, margins, cache, step = [], [], None, torch.tensor([ids])
    for _ in range(TOKENS):
        answer = model(step, past_key_values=cache, use_cache=True)
        cache = answer.past_key_values
        top = answer.logits[0, -1].topk(2)
        out.append(top.indices[0].item())
        margins.append(round((top.values[0] - top.values[1]).item(), 5))
        step = top.indices[:1].reshape(1, 1)
    return out, margins


def main():
    folder, file = os.path.split(os.path.abspath(sys.argv[1]))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    golden = []
    for prompt in PROMPTS:
        ids = tokenizer.backend_tokenizer.encode(prompt, add_special_tokens=False).ids
        assert tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False) == prompt
        greedy_ids, margins = greedy(model, ids)
        golden.append({"prompt": prompt, "token_ids": ids, "greedy_ids": greedy_ids, "margins": margins})
        print(repr(tokenizer.backend_tokenizer.decode(greedy_ids)), min(margins))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "smollm2.json"), "w") as f:
        json.dump({"cases": golden}, f, ensure_ascii=False, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
