#!/usr/bin/env python3
"""Makes tests/golden/models: tiny random Hugging Face models of awkward sizes, and transformers' float32 answers to them.

Needs torch, transformers 5.23, tokenizers, safetensors (none of them is needed to run the tests: the output is committed).
Each directory holds the model, cases.json (the input of `weft score`) and golden.safetensors (its expected output).

  make_models.py [name ...]      default: all
"""
import json
import os
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, MixtralConfig,
                          MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
                          Qwen3MoeConfig, Qwen3MoeForCausalLM)

import tiny

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
COMMON = dict(bos_token_id=1, eos_token_id=2, pad_token_id=None, max_position_embeddings=160, rms_norm_eps=1e-5,
              attn_implementation="eager", experts_implementation="eager")

# name: (class, config, how it is stored). Sizes avoid powers of two and multiples of 32; intermediate 390 and 420 are
# two canonical slices, so that more ranks than slices and uneven slices both occur.
MODELS = {
    "llama2": (LlamaForCausalLM, LlamaConfig(
        vocab_size=211, hidden_size=60, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1,
        intermediate_size=420, tie_word_embeddings=False, rope_parameters=PLAIN, **COMMON), dict(hub_keys={})),
    "llama3": (LlamaForCausalLM, LlamaConfig(
        vocab_size=263, hidden_size=72, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, head_dim=24,
        intermediate_size=200, tie_word_embeddings=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
        **{**COMMON, "eos_token_id": [2, 5], "max_position_embeddings": 256}),
        dict(hub_keys={}, shard="150KB", tokenizer=True)),
    "llama_bf16": (LlamaForCausalLM, LlamaConfig(
        vocab_size=257, hidden_size=144, num_hidden_layers=2, num_attention_heads=9, num_key_value_heads=3,
        intermediate_size=420, tie_word_embeddings=True, rope_parameters=PLAIN, **COMMON), dict(dtype=torch.bfloat16)),
    "llama_bias": (LlamaForCausalLM, LlamaConfig(
        vocab_size=229, hidden_size=60, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, head_dim=16,
        intermediate_size=420, tie_word_embeddings=False, attention_bias=True, mlp_bias=True, rope_parameters=PLAIN, **COMMON),
        dict(dtype=torch.float16)),
    "mistral": (MistralForCausalLM, MistralConfig(
        vocab_size=241, hidden_size=72, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, head_dim=16,
        intermediate_size=200, sliding_window=9, rope_parameters=PLAIN, **COMMON), {}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(
        vocab_size=251, hidden_size=96, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
        intermediate_size=200, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, **COMMON),
        # As on the hub: its config names a window and does not use it.
        dict(hub_keys={"sliding_window": 8, "use_sliding_window": False})),
    "qwen2_window": (Qwen2ForCausalLM, Qwen2Config(  # full attention below max_window_layers, a window above
        vocab_size=223, hidden_size=70, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=5,
        intermediate_size=200, sliding_window=13, use_sliding_window=True, max_window_layers=1,
        tie_word_embeddings=False, rope_parameters=PLAIN, **COMMON), {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(
        vocab_size=233, hidden_size=60, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1, head_dim=24,
        intermediate_size=420, tie_word_embeddings=True, rope_parameters=PLAIN, **COMMON), {}),
    "mixtral": (MixtralForCausalLM, MixtralConfig(
        vocab_size=263, hidden_size=44, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, head_dim=16,
        intermediate_size=390, num_local_experts=5, num_experts_per_tok=2, sliding_window=None,
        rope_parameters=PLAIN, **COMMON), dict(hub_keys={}, dtype=torch.bfloat16, tokenizer=True)),
    "qwen3_moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig(
        vocab_size=239, hidden_size=60, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1, head_dim=16,
        intermediate_size=200, moe_intermediate_size=52, num_experts=7, num_experts_per_tok=3, norm_topk_prob=True,
        decoder_sparse_step=1, mlp_only_layers=[], tie_word_embeddings=False, rope_parameters=PLAIN, **COMMON),
        dict(hub_keys={})),
    "qwen3_moe_mixed": (Qwen3MoeForCausalLM, Qwen3MoeConfig(  # layers 1 and 5 are MoE, 0, 2, 3 and 4 dense
        vocab_size=227, hidden_size=48, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=3, head_dim=16,
        intermediate_size=100, moe_intermediate_size=72, num_experts=7, num_experts_per_tok=3, norm_topk_prob=False,
        decoder_sparse_step=2, mlp_only_layers=[3], tie_word_embeddings=True, rope_parameters=PLAIN, **COMMON),
        dict(fused_experts=True)),
}


def write_hub_keys(directory, extra):
    """config.json as checkpoints on the hub write it: rope_theta, rope_scaling and torch_dtype, no layer_types."""
    path = os.path.join(directory, "config.json")
    config = json.load(open(path))
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.44.0"
    config.pop("layer_types", None)
    config.update(extra)
    if config["model_type"] == "qwen3_moe":
        config["num_experts"] = config.pop("num_local_experts")
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def write_tokenizer(directory, vocab_size):
    """Byte-level BPE without merges: ids 0 to 2 and the last few are special, 3 + b is byte b."""
    assert vocab_size >= 256 + 3
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocab[symbol] = len(vocab)
    while len(vocab) < vocab_size:
        vocab[f"<extra_{len(vocab)}>"] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([t for t in vocab if t.startswith("<") and len(t) > 1])
    tokenizer.save(os.path.join(directory, "tokenizer.json"))
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as f:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False}, f)


def make(name, first_seed):
    model_class, config, store = MODELS[name]
    dtype = store.get("dtype", torch.float32)

    def build(generator):
        model = model_class(config).to(torch.float32)
        tiny.randomise(model, generator)
        for p in model.parameters():  # the values that the file will hold; buffers such as RoPE's stay exact
            p.data = p.data.to(dtype).to(torch.float32)
        return model

    seed, model, prompts, golden = tiny.search(build, config.vocab_size, first_seed)
    directory = tiny.fresh_directory(os.path.join(OUT, name))
    model.to(dtype).save_pretrained(directory, max_shard_size=store.get("shard", "1GB"),
                                    save_original_format=not store.get("fused_experts", False))
    if "hub_keys" in store:
        write_hub_keys(directory, store["hub_keys"])
    if store.get("tokenizer"):
        write_tokenizer(directory, config.vocab_size)
    tiny.write(directory, prompts, golden)
    tiny.report(name, directory, seed, golden)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(MODELS):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make(name, first_seed=1000 * (i + 1))
