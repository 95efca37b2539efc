"""Tiny models whose next token is a fixed function of the last one, for tests of what happens around the model.

A one-layer Llama of one-hot embeddings: attention and MLP add nothing, and row successor[i] of the head is the embedding of
i. Greedy decoding follows the successors; a token without one is followed by itself. Standard library only.
"""
import array
import json
import os
import struct

CONTROL = 3  # of GGUF's token types


def byte_alphabet():
    """GPT-2's 256 characters, by byte."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(0x100, 0x200))
    return [chr(b if b in own else next(shifted)) for b in range(256)]


def byte_tokenizer(added=(), pieces=(), merges=(), regex=None, **components):
    """A tokenizer.json of byte-level BPE: ids 0 to 255 are the bytes, then the pieces, then the special tokens `added`."""
    tokens = byte_alphabet() + list(pieces)
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex is None}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": len(tokens) + i, "content": content, **flags} for i, content in enumerate(added)],
            "normalizer": None,
            "pre_tokenizer": byte_level if regex is None else {"type": "Sequence", "pretokenizers": [split, byte_level]},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {token: i for i, token in enumerate(tokens)}, "merges": [list(pair) for pair in merges]},
            **components}


def tokenizer_size(tokenizer):
    return 1 + max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])])


def _tensors(vocab, successor):
    """{Hugging Face name: (shape, floats)}"""
    hidden = (vocab + 31) // 32 * 32

    def ones(rows):  # one 1 a row, in the column that is given
        values = array.array("f", bytes(4 * vocab * hidden))
        for row, column in rows:
            values[row * hidden + column] = 1
        return (vocab, hidden), values

    def filled(*shape, value=0.0):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        return shape, array.array("f", [value] * count)

    layer = "model.layers.0."
    tensors = {"model.embed_tokens.weight": ones((i, i) for i in range(vocab)),
               "lm_head.weight": ones((successor.get(i, i), i) for i in range(vocab)),
               "model.norm.weight": filled(hidden, value=10.0)}
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"{layer}{name}.weight"] = filled(hidden, value=1.0)
    for name, shape in (("self_attn.q_proj", (32, hidden)), ("self_attn.k_proj", (32, hidden)),
                        ("self_attn.v_proj", (32, hidden)), ("self_attn.o_proj", (hidden, 32)),
                        ("mlp.gate_proj", (32, hidden)), ("mlp.up_proj", (32, hidden)), ("mlp.down_proj", (hidden, 32))):
        tensors[f"{layer}{name}.weight"] = filled(*shape)
    return hidden, tensors


def write_directory(folder, successor, tokenizer, eos, vocab=None, files=None):
    """A Hugging Face directory. successor: {id: id}; eos: ids; vocab: the model's size, the tokenizer's if not given;
    files: further JSON files by name."""
    vocab = vocab or tokenizer_size(tokenizer)
    hidden, tensors = _tensors(vocab, successor)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": vocab, "hidden_size": hidden,
              "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 32,
              "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": False, "torch_dtype": "float32", "eos_token_id": list(eos)}
    os.makedirs(folder, exist_ok=True)
    for name, content in {"config.json": config, "tokenizer.json": tokenizer, **(files or {})}.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(content, f)
    header, offset = {}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + 4 * len(values)]}
        offset += 4 * len(values)
    head = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for _, values in tensors.values():
            f.write(values.tobytes())
    return folder


GGUF_NAMES = {"model.embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm",
              "model.layers.0.input_layernorm": "blk.0.attn_norm", "model.layers.0.post_attention_layernorm": "blk.0.ffn_norm",
              "model.layers.0.self_attn.q_proj": "blk.0.attn_q", "model.layers.0.self_attn.k_proj": "blk.0.attn_k",
              "model.layers.0.self_attn.v_proj": "blk.0.attn_v", "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
              "model.layers.0.mlp.gate_proj": "blk.0.ffn_gate", "model.layers.0.mlp.up_proj": "blk.0.ffn_up",
              "model.layers.0.mlp.down_proj": "blk.0.ffn_down"}


def _gguf_value(value):
    """(type, bytes) of a metadata value."""
    if isinstance(value, bool):
        return 7, struct.pack("<B", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, struct.pack("<Q", len(value.encode())) + value.encode()
    if value and all(isinstance(item, int) for item in value):
        return 9, struct.pack("<IQ", 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    return 9, struct.pack("<IQ", 8, len(value)) + b"".join(_gguf_value(item)[1] for item in value)


def write_gguf(path, successor, special=(), pieces=(), merges=(), keys=None, vocab=None):
    """A GGUF file with a byte-level BPE: the 256 bytes, the pieces, then special tokens as (text, token type).
    keys: tokenizer.ggml.* by their last part."""
    tokens = byte_alphabet() + list(pieces) + [text for text, _ in special]
    types = [1] * (256 + len(pieces)) + [kind for _, kind in special]
    vocab = vocab or len(tokens)
    hidden, tensors = _tensors(vocab, successor)
    metadata = {"general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 4096,
                "llama.embedding_length": hidden, "llama.feed_forward_length": 32, "llama.attention.head_count": 1,
                "llama.attention.head_count_kv": 1, "llama.attention.key_length": 32, "llama.attention.value_length": 32,
                "llama.rope.dimension_count": 32, "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.vocab_size": vocab,
                "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
                "tokenizer.ggml.merges": [" ".join(pair) for pair in merges],
                **{f"tokenizer.ggml.{key}": value for key, value in (keys or {}).items()}}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = _gguf_value(value)
        head += _gguf_value(key)[1] + struct.pack("<I", kind) + data
    offset = 0
    for name, (shape, values) in tensors.items():
        gguf_name = GGUF_NAMES[name.removesuffix(".weight")] + ".weight"
        head += _gguf_value(gguf_name)[1] + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head += struct.pack("<IQ", 0, offset)
        offset += 4 * len(values)  # rows are whole multiples of 32 floats, so every offset is aligned
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for _, values in tensors.values():
            f.write(values.tobytes())
    return path
