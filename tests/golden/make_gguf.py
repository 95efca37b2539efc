#!/usr/bin/env python3
"""Makes tests/golden/models/llama_gguf: a tiny random GGUF Llama that mixes tensor types, and transformers' float32
answers to its dequantised weights. Needs torch, transformers 5.23 and gguf.

The sizes put cuts where they hurt: a head is 24 wide, so heads end inside blocks of 32, and the MLP's canonical slices of
192 end inside K-quants' blocks of 256.
"""
import os

import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter, TokenType, quants
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

import tiny

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models", "llama_gguf")
CONFIG = LlamaConfig(
    vocab_size=263, hidden_size=256, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2, head_dim=24,
    intermediate_size=768, tie_word_embeddings=False, rms_norm_eps=1e-5, max_position_embeddings=160,
    rope_parameters={"rope_type": "default", "rope_theta": 20000.0}, attn_implementation="eager")

# GGUF name in a layer -> (Hugging Face name, type in layer 0, type in layer 1)
LAYER = {
    "attn_norm": ("input_layernorm", T.F32, T.F32),
    "attn_q": ("self_attn.q_proj", T.Q4_K, T.Q8_0),
    "attn_k": ("self_attn.k_proj", T.Q5_K, T.F16),
    "attn_v": ("self_attn.v_proj", T.Q6_K, T.BF16),
    "attn_output": ("self_attn.o_proj", T.Q4_0, T.Q8_0),
    "ffn_norm": ("post_attention_layernorm", T.F32, T.F32),
    "ffn_gate": ("mlp.gate_proj", T.Q5_0, T.Q5_K),
    "ffn_up": ("mlp.up_proj", T.Q5_1, T.Q4_K),
    "ffn_down": ("mlp.down_proj", T.Q4_1, T.Q6_K),
}


def tensors():
    """(GGUF name, Hugging Face name, type) of every tensor of the model."""
    yield "token_embd.weight", "model.embed_tokens.weight", T.Q6_K
    for layer in range(CONFIG.num_hidden_layers):
        for name, (hf, *types) in LAYER.items():
            yield f"blk.{layer}.{name}.weight", f"model.layers.{layer}.{hf}.weight", types[layer]
    yield "output_norm.weight", "model.norm.weight", T.F32
    yield "output.weight", "lm_head.weight", T.Q4_0


def random_k_quants(rows, columns, kind, std, rng):
    """Random blocks of a type that the gguf package can read and not write: every bit of a block occurs."""
    size = {T.Q4_K: 144, T.Q5_K: 176, T.Q6_K: 210}[kind]
    blocks = rng.integers(0, 256, (rows * columns // 256, size), dtype=np.uint8)

    def set_scale(scale):
        d = (scale * rng.uniform(0.5, 1.5, (len(blocks), 1))).astype(np.float16)
        if kind == T.Q6_K:
            blocks[:, 208:] = d.view(np.uint8)
        else:  # value = d * scale * code - dmin * min: dmin centres the codes
            blocks[:, :2] = d.view(np.uint8)
            blocks[:, 2:4] = (d * np.float16(7.5 if kind == T.Q4_K else 15.5)).view(np.uint8)

    set_scale(1e-3)
    set_scale(1e-3 * std / quants.dequantize(blocks, kind).std())
    return blocks.reshape(rows, -1)


def stored(weight, kind, rng):
    """The bytes of a GGUF tensor: `weight` in the type, or for K-quants random blocks of its spread."""
    if kind in (T.Q4_K, T.Q5_K, T.Q6_K):
        return random_k_quants(*weight.shape, kind, weight.std(), rng)
    return quants.quantize(weight, kind)


def to_hugging_face(name, weight):
    """llama.cpp stores q and k with each head's rows interleaved (pairs 2i, 2i+1), Hugging Face in halves (i, i + d/2)."""
    if name.split(".")[-2] not in ("attn_q", "attn_k"):
        return weight
    d = CONFIG.head_dim
    return weight.reshape(-1, d // 2, 2, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)


def write_gguf(path, data):
    w = GGUFWriter(path, "llama")
    w.add_name("tiny")
    w.add_vocab_size(CONFIG.vocab_size)
    w.add_context_length(CONFIG.max_position_embeddings)
    w.add_embedding_length(CONFIG.hidden_size)
    w.add_block_count(CONFIG.num_hidden_layers)
    w.add_feed_forward_length(CONFIG.intermediate_size)
    w.add_head_count(CONFIG.num_attention_heads)
    w.add_head_count_kv(CONFIG.num_key_value_heads)
    w.add_key_length(CONFIG.head_dim)
    w.add_value_length(CONFIG.head_dim)
    w.add_rope_dimension_count(CONFIG.head_dim)
    w.add_rope_freq_base(20000.0)
    w.add_layer_norm_rms_eps(CONFIG.rms_norm_eps)
    symbols = ["<unk>", "<s>", "</s>"] + sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols += [f"<extra_{i}>" for i in range(len(symbols), CONFIG.vocab_size)]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(symbols)
    w.add_token_types([TokenType.CONTROL if len(s) > 1 else TokenType.NORMAL for s in symbols])
    w.add_token_merges(["t h"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_add_bos_token(False)
    for name, (values, kind) in data.items():
        w.add_tensor(name, values, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    data = {}

    def build(generator):
        rng = np.random.default_rng(generator.initial_seed())
        model = LlamaForCausalLM(CONFIG).to(torch.float32)
        tiny.randomise(model, generator)
        parameters = dict(model.named_parameters())
        for name, hf, kind in tensors():
            values = stored(parameters[hf].detach().numpy(), kind, rng)
            data[name] = (values, kind)
            weight = to_hugging_face(name, quants.dequantize(values, kind).reshape(parameters[hf].shape))
            parameters[hf].data.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        return model

    seed, _, prompts, golden = tiny.search(build, CONFIG.vocab_size, first_seed=20000)
    directory = tiny.fresh_directory(DIRECTORY)
    write_gguf(os.path.join(directory, "model.gguf"), data)
    tiny.write(directory, prompts, golden)
    tiny.report("llama_gguf", directory, seed, golden)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
