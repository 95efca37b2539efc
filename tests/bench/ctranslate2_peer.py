#!/usr/bin/env python3
"""CTranslate2's prefill and decode of a converted model, as one JSON line; run by the Python that has the package.

  ctranslate2_peer.py MODEL_DIR THREADS
"""
import json
import os
import sys
import time

import ctranslate2


def main():
    directory, threads = sys.argv[1], int(sys.argv[2])
    generator = ctranslate2.Generator(directory, device="cpu", inter_threads=1, intra_threads=threads)
    with open(os.path.join(directory, "vocabulary.json"), encoding="utf-8") as f:
        vocabulary = json.load(f)

    def seconds(prompt, tokens):
        ids = [vocabulary[1000 + 7 * i % 20000] for i in range(prompt)]
        start = time.monotonic()
        generator.generate_batch([ids], max_length=tokens, min_length=tokens, include_prompt_in_result=False, sampling_topk=1)
        return time.monotonic() - start

    seconds(512, 2)
    prefill = min(seconds(512, 1) for _ in range(3))
    first, all_tokens = seconds(8, 1), seconds(8, 129)
    print(json.dumps({"prefill512": 512 / prefill, "decode": 128 / (all_tokens - first)}))


if __name__ == "__main__":
    main()
