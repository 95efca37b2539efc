#!/usr/bin/env python3
"""Writes tests/golden/configs/MODEL_TYPE.json: what transformers' config class makes of a config.json in which every key is
set to something other than its default, of the same file with each key left out in turn, with each key null in turn, and of
one that says nothing but its model_type. `expected` is null where the class refuses.

  make_configs.py [OUTPUT_DIRECTORY]      needs transformers (5.23.0 made the committed files); no torch
"""
import copy
import json
import logging
import os
import sys

os.environ["USE_TORCH"] = "0"
from transformers import AutoConfig  # noqa: E402

logging.disable(logging.WARNING)

SIZES = {"vocab_size": 320, "hidden_size": 128, "intermediate_size": 112, "num_hidden_layers": 4, "num_attention_heads": 32,
         "num_key_value_heads": 2, "head_dim": 32, "hidden_act": "silu", "max_position_embeddings": 512, "rms_norm_eps": 1e-3,
         "rope_theta": 5000.0, "tie_word_embeddings": True, "bos_token_id": 3, "eos_token_id": [4, 5]}
QWEN_WINDOW = {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 2}
# The hub's spelling of rope_parameters: transformers 5 reads both.
SCALING = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "beta_fast": 16.0, "beta_slow": 2.0}
BASES = {
    "llama": SIZES | {"attention_bias": True, "mlp_bias": True, "rope_scaling": SCALING},
    "mistral": SIZES | {"sliding_window": 24},
    "mixtral": SIZES | {"sliding_window": 24, "num_local_experts": 6, "num_experts_per_tok": 3},
    "qwen2": SIZES | QWEN_WINDOW,
    "qwen3": SIZES | QWEN_WINDOW | {"attention_bias": True},
    "qwen3_moe": SIZES | {"attention_bias": True, "use_sliding_window": True, "sliding_window": 24, "num_experts": 12,
                          "num_experts_per_tok": 3, "moe_intermediate_size": 48, "norm_topk_prob": True,
                          "decoder_sparse_step": 2, "mlp_only_layers": [1]},
}
LAYER_TYPES = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]


def read(config):
    """The forward pass's view of a config: derived values as the modelling files derive them."""
    try:
        c = AutoConfig.for_model(**copy.deepcopy(config))  # which writes into its arguments
    except Exception:  # a validation error of one of several classes
        return None
    get = lambda name: getattr(c, name, None)
    layers = range(c.num_hidden_layers)
    if c.model_type in ("qwen2", "qwen3"):
        window = [c.sliding_window if c.layer_types[i] == "sliding_attention" else None for i in layers]
    else:
        window = [get("sliding_window") for _ in layers]
    moe = [c.model_type == "mixtral" or (c.model_type == "qwen3_moe" and i not in c.mlp_only_layers and
                                         (i + 1) % c.decoder_sparse_step == 0) for i in layers]
    eos = c.eos_token_id
    rope = dict(c.rope_parameters)
    if rope["rope_theta"] is None:  # accepted by the class, an error of the first forward pass
        return None
    return {"vocab_size": c.vocab_size, "hidden_size": c.hidden_size, "intermediate_size": c.intermediate_size,
            "n_layers": c.num_hidden_layers, "n_heads": c.num_attention_heads, "n_kv_heads": c.num_key_value_heads,
            "head_dim": get("head_dim") or c.hidden_size // c.num_attention_heads, "rms_norm_eps": c.rms_norm_eps,
            "max_position_embeddings": c.max_position_embeddings, "tie_word_embeddings": c.tie_word_embeddings,
            "qkv_bias": c.model_type == "qwen2" or bool(get("attention_bias")), "output_bias": bool(get("attention_bias")),
            "mlp_bias": bool(get("mlp_bias")), "window": [w or 0 for w in window], "moe_layer": moe,
            "rope": {"type": rope["rope_type"], "rope_theta": rope["rope_theta"], "factor": rope.get("factor"),
                     "original_max_position_embeddings": rope.get("original_max_position_embeddings"),
                     "beta_fast": rope.get("beta_fast"), "beta_slow": rope.get("beta_slow")},
            "n_experts": get("num_local_experts") if c.model_type == "mixtral" else get("num_experts"),
            "experts_per_token": get("num_experts_per_tok"), "normalise": get("norm_topk_prob"),
            "expert_size": get("moe_intermediate_size"), "bos_token_id": c.bos_token_id,
            "eos_token_ids": eos if isinstance(eos, list) else [] if eos is None else [eos]}


def cases(base, model_type):
    yield "as written", base
    yield "only the model_type", {"model_type": model_type}
    for key in base:
        if key == "model_type":
            continue
        yield f"without {key}", {k: v for k, v in base.items() if k != key}
        yield f"{key} null", base | {key: None}
    if model_type in ("qwen2", "qwen3"):
        yield "layer_types", base | {"layer_types": LAYER_TYPES}
        yield "layer_types null", base | {"layer_types": None}


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "configs")
    os.makedirs(directory, exist_ok=True)
    for model_type, sizes in BASES.items():
        base = {"model_type": model_type} | sizes
        lines = [json.dumps({"name": name, "config": config, "expected": read(config)}, sort_keys=True)
                 for name, config in cases(base, model_type)]
        with open(os.path.join(directory, model_type + ".json"), "w", encoding="utf-8") as out:
            out.write("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
