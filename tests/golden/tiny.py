"""What the generators of goldens share: random weights that make tests hard, and transformers' answers to them."""
import json
import math
import os
import shutil

import torch
from safetensors.torch import save_file

GREEDY_TOKENS = 24
CASE_LENGTHS = (1, 2, 17, 33, 70)
MIN_GREEDY_MARGIN = 0.02  # of the top two logits: float32 noise cannot change an id
MIN_ROUTER_MARGIN = 1e-4  # of the k-th and the next expert's logit: float32 noise cannot move a route


def randomise(model, generator):
    """Weights whose mistakes show: activations of order one, some outliers, norms and biases that are not neutral."""
    tied = model.config.tie_word_embeddings
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=generator)
            outlier = torch.rand(p.shape, generator=generator) < 0.003
            if name.endswith("norm.weight"):
                w = 1 + 0.25 * r
            elif name.endswith(".bias"):
                w = 0.5 * r
            elif "embed_tokens" in name:
                w = r * (0.2 if tied else 1.0)  # tied and larger: the model would repeat its input
            elif "lm_head" in name:
                w = r * 3 / math.sqrt(p.shape[-1])
            elif name.endswith(".gate.weight"):  # the router
                w = r * 2 / math.sqrt(p.shape[-1])
            else:
                w = r / math.sqrt(p.shape[-1])
            p.copy_(torch.where(outlier, w * 4, w))


def cases(vocab_size, generator):
    return [torch.randint(0, vocab_size, (n,), generator=generator).tolist() for n in CASE_LENGTHS]


def router_margin(model, ids):
    """Smallest distance between the last chosen and the first rejected expert, over all rows and layers."""
    margins = [math.inf]

    def look(module, args, output):
        logits = args[0].reshape(-1, module.weight.shape[1]) @ module.weight.T
        if module.top_k == logits.shape[1]:  # nothing is rejected
            return
        top = logits.topk(module.top_k + 1, dim=-1).values
        margins.append((top[:, -2] - top[:, -1]).min().item())

    hooks = [m.register_forward_hook(look) for n, m in model.named_modules() if type(m).__name__.endswith("TopKRouter")]
    model(torch.tensor([ids]))
    for h in hooks:
        h.remove()
    return min(margins)


@torch.no_grad()
def answers(model, prompts):
    """{'logits.i', 'greedy_ids.i'} of a float32 model, or None where float32 noise could change a choice."""
    out = {}
    for i, prompt in enumerate(prompts):
        ids = list(prompt)
        for step in range(GREEDY_TOKENS):
            logits = model(torch.tensor([ids]), use_cache=False).logits[0]
            if step == 0:
                out[f"logits.{i}"] = logits.contiguous()
            top = logits[-1].topk(2)
            if (top.values[0] - top.values[1]).item() < MIN_GREEDY_MARGIN:
                return None
            ids.append(top.indices[0].item())
        if router_margin(model, ids) < MIN_ROUTER_MARGIN:
            return None
        out[f"greedy_ids.{i}"] = torch.tensor(ids[len(prompt):], dtype=torch.int32)
    return out


def degenerate(golden):
    """Logits that hardly vary, or greedy decoding that repeats itself, would hide mistakes."""
    logits = torch.cat([v for k, v in golden.items() if k.startswith("logits.")])
    greedy = torch.cat([v for k, v in golden.items() if k.startswith("greedy_ids.")])
    assert torch.isfinite(logits).all()
    return logits.std() < 1 or logits.argmax(-1).unique().numel() < 20 or greedy.unique().numel() < 16


def search(make, vocab_size, first_seed):
    """make(generator) -> float32 model; the first seed whose answers vary and float32 noise cannot change."""
    for seed in range(first_seed, first_seed + 200):
        generator = torch.Generator().manual_seed(seed)
        model = make(generator).eval()
        prompts = cases(vocab_size, generator)
        golden = answers(model, prompts)
        if golden is not None and not degenerate(golden):
            return seed, model, prompts, golden
    raise RuntimeError("no seed gives usable answers")


def write(directory, prompts, golden):
    save_file(golden, os.path.join(directory, "golden.safetensors"))
    with open(os.path.join(directory, "cases.json"), "w") as f:
        json.dump({"cases": [{"input_ids": p} for p in prompts], "greedy_tokens": GREEDY_TOKENS}, f)
        f.write("\n")


def fresh_directory(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def report(name, directory, seed, golden):
    size = sum(os.path.getsize(os.path.join(directory, f)) for f in os.listdir(directory))
    assert size < 2_000_000, size
    std = torch.cat([v for k, v in golden.items() if k.startswith("logits.")]).std()
    print(f"{name}: seed {seed}, {size / 1e6:.2f} MB, logits std {std:.1f}")
