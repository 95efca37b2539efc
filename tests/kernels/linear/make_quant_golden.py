#!/usr/bin/env python3
"""Writes quant_golden.bin: what the `gguf` package (pip install gguf) makes of hostile blocks.

Layout, little-endian, 512 elements throughout: f32 source; then for each type of TYPES: bytes of random blocks, their
dequantised f32, and for the types before q4_K the source quantised.
"""
import pathlib

import gguf
import numpy as np

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

random = np.random.default_rng(1)
source = random.normal(size=512).astype(np.float32)
source[0:32] = 0  # a block of zeros, one of a constant, one with an outlier, one tiny, one huge, one of exact ties
source[32:64] = 0.75
source[70] = 1000
source[96:128] *= 1e-6
source[128:160] *= 1e3
source[160:192] = np.arange(-16, 16) / 2
source[192:224] = np.abs(source[192:224])

with open(pathlib.Path(__file__).with_name("quant_golden.bin"), "wb") as out:
    out.write(source.tobytes())
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, size=(512 // elements, size), dtype=np.uint8)
        for at in SCALES[name]:  # any bytes are a block, but for scales that are NaN or infinite
            blocks[:, at + 1] &= 0xBF
        out.write(blocks.tobytes())
        out.write(gguf.quants.dequantize(blocks.reshape(-1), kind).astype(np.float32).tobytes())
        if not name.endswith("K"):
            out.write(gguf.quants.quantize(source, kind).tobytes())
