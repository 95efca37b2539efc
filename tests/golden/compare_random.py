#!/usr/bin/env python3
"""Random models of every family, with random sizes and switches, beside transformers' float32: relative L2 of the logits on
one rank, and the same bits on several, over MPI. What the committed goldens do not foresee, this finds.

Needs torch, transformers 5.23 and a built weft.   compare_random.py [--seeds 100] [--first-seed 0] [--weft build/weft]
"""
import argparse
import json
import os
import random
import subprocess
import tempfile

import torch
from safetensors.torch import load_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, MixtralConfig,
                          MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
                          Qwen3MoeConfig, Qwen3MoeForCausalLM)

import make_models
import tiny

FAMILIES = {"llama": (LlamaForCausalLM, LlamaConfig), "mistral": (MistralForCausalLM, MistralConfig),
            "qwen2": (Qwen2ForCausalLM, Qwen2Config), "qwen3": (Qwen3ForCausalLM, Qwen3Config),
            "mixtral": (MixtralForCausalLM, MixtralConfig), "qwen3_moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig)}
DENSE_LIMIT, MOE_LIMIT = 1e-5, 1e-4


def rope(pick):
    kind = pick.choice(["default", "default", "linear", "llama3", "yarn"])
    parameters = {"rope_type": kind, "rope_theta": pick.choice([500.0, 10000.0, 1e6])}
    if kind != "default":
        parameters["factor"] = pick.choice([1.5, 2.0, 8.0])
    if kind == "llama3":
        parameters |= {"low_freq_factor": 1.0, "high_freq_factor": pick.choice([2.0, 4.0])}
    if kind in ("llama3", "yarn"):
        parameters["original_max_position_embeddings"] = pick.choice([16, 64])
    if kind == "yarn" and pick.random() < 0.5:
        parameters |= {"beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.25}
    return parameters


def random_config(family, pick):
    """(transformers config, how make_models stores it)"""
    kv = pick.choice([1, 1, 2, 3, 4])
    heads = kv * pick.choice([1, 2, 3, 4])
    free = family != "qwen2" and pick.random() < 0.6  # hidden_size is not heads * head_dim
    head_dim = 2 * pick.randint(2, 40)
    hidden = pick.randint(8, 260) if free else heads * head_dim
    if family == "llama":  # transformers wants it
        hidden = max(hidden // heads, 1) * heads
    c = dict(vocab_size=pick.randint(20, 700), hidden_size=hidden,
             num_hidden_layers=pick.randint(1, 4), num_attention_heads=heads, num_key_value_heads=kv,
             intermediate_size=pick.choice([pick.randint(1, 100), pick.randint(100, 1400)]),
             tie_word_embeddings=pick.random() < 0.5, rope_parameters=rope(pick), rms_norm_eps=pick.choice([1e-5, 1e-6]),
             bos_token_id=1, eos_token_id=2, pad_token_id=None, max_position_embeddings=160,
             attn_implementation="eager", experts_implementation="eager")
    if free:
        c["head_dim"] = head_dim
    elif family in ("qwen3", "qwen3_moe") or c["rope_parameters"]["rope_type"] == "yarn":  # transformers' YaRN does not derive it
        c["head_dim"] = head_dim
    window = pick.randint(1, 50)
    if family == "llama":
        c |= dict(attention_bias=pick.random() < 0.3, mlp_bias=pick.random() < 0.3)
    if family in ("mistral", "mixtral"):
        c["sliding_window"] = pick.choice([None, window])
    if family in ("qwen2", "qwen3", "qwen3_moe") and pick.random() < 0.5:
        c |= dict(use_sliding_window=True, sliding_window=window, max_window_layers=pick.randint(0, 3))
    if family in ("qwen3", "qwen3_moe"):
        c["attention_bias"] = pick.random() < 0.3
    experts = pick.randint(1, 9)
    k = pick.randint(1, experts)
    if family == "mixtral":
        c |= dict(num_local_experts=experts, num_experts_per_tok=k)
    if family == "qwen3_moe":
        c |= dict(num_experts=experts, num_experts_per_tok=k, moe_intermediate_size=pick.randint(1, 500),
                  norm_topk_prob=pick.random() < 0.5, decoder_sparse_step=pick.choice([1, 1, 2]),
                  mlp_only_layers=pick.choice([[], [0]]))
    store = dict(dtype=pick.choice([torch.float32, torch.float32, torch.bfloat16, torch.float16]),
                 shard=pick.choice(["1GB", "100KB"]), fused_experts=pick.random() < 0.3)
    if pick.random() < 0.4:
        store["hub_keys"] = {}
    return FAMILIES[family][1](**c), store, c


def save(model, store, directory):
    model.to(store["dtype"]).save_pretrained(directory, max_shard_size=store["shard"],
                                             save_original_format=not store["fused_experts"])
    if "hub_keys" in store:
        make_models.write_hub_keys(directory, store["hub_keys"])


def score(command, directory, *flags):
    """The tensors that `weft score` gives for the directory's model and cases."""
    output = f"{directory}/out.st"
    done = subprocess.run([*command, "score", "--model", directory, "--input", f"{directory}/cases.json", "--output", output,
                           "--dtype", "f32", "--log-level", "error", *flags],
                          capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{flags}: " + (done.stderr.strip() or f"exit code {done.returncode}"))
    return {name: tensor.clone() for name, tensor in load_file(output).items()}  # the file is written again


def meshes(config, pick):
    """Random (ranks, flags) that this model allows."""
    heads, experts = config.num_attention_heads, getattr(config, "num_local_experts", getattr(config, "num_experts", 0))
    ranks = [n for n in (2, 3, 4) if n <= heads]
    for n in pick.sample(ranks, min(2, len(ranks))):
        flags = ["--ep", str(pick.randint(1, min(n, experts)))] if experts and pick.random() < 0.8 else []
        yield n, flags + ["--threads", "1"]


@torch.no_grad()
def check(seed, weft, directory):
    """A sentence about what went wrong, or the relative L2."""
    pick = random.Random(seed)
    family = pick.choice(list(FAMILIES))
    config, store, given = random_config(family, pick)
    generator = torch.Generator().manual_seed(seed)
    model = FAMILIES[family][0](config).to(torch.float32).eval()
    tiny.randomise(model, generator)
    for p in model.parameters():
        p.data = p.data.to(store["dtype"]).to(torch.float32)
    prompts = tiny.cases(config.vocab_size, generator)
    moe = family in ("mixtral", "qwen3_moe")
    if moe and min(tiny.router_margin(model, p) for p in prompts) < tiny.MIN_ROUTER_MARGIN:
        return family, None
    expected = torch.cat([model(torch.tensor([p]), use_cache=False).logits[0] for p in prompts])
    save(model, store, directory)
    with open(f"{directory}/cases.json", "w", encoding="utf-8") as f:
        json.dump({"cases": [{"input_ids": p} for p in prompts], "greedy_tokens": 5}, f)

    one = score([weft], directory)
    logits = torch.cat([one[f"logits.{i}"] for i in range(len(prompts))])
    error = ((logits - expected).norm() / expected.norm()).item()
    if not error <= (MOE_LIMIT if moe else DENSE_LIMIT):
        return family, f"relative L2 {error:.1e}: {given} {store}"
    for ranks, flags in meshes(config, pick):
        launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), weft]
        many = score(launch, directory, *flags)
        if any(not torch.equal(one[name], many[name]) for name in one):
            return family, f"other bits on {ranks} ranks {flags}: {given} {store}"
    return family, error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--weft", default="build/weft")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worst, failures = {}, 0
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        with tempfile.TemporaryDirectory() as directory:
            try:
                family, result = check(seed, options.weft, directory)
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                family, result = "?", str(e)
        if isinstance(result, str):
            failures += 1
            print(f"seed {seed} {family}: {result}", flush=True)
        elif result is not None:
            worst[family] = max(worst.get(family, 0), result)
    print(f"{options.seeds} models, {failures} failures; largest relative L2:",
          ", ".join(f"{family} {error:.1e}" for family, error in sorted(worst.items())))
    raise SystemExit(failures > 0)


if __name__ == "__main__":
    main()
