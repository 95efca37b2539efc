#include "runtime/weights/config_class.h"

#include <algorithm>
#include <array>

#include "kernels/core/check.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

// What the forward passes of some classes do without and of others may not: each class names the lists it ignores.
// Of encoders, of other heads than a language model's, of padded batches.
constexpr std::string_view kOfDecoders =
    "is_decoder cross_attention_hidden_size tie_encoder_decoder decoder_start_token_id encoder_no_repeat_ngram_size "
    "pad_token_id id2label label2id num_labels problem_type";
constexpr std::string_view kOfExperts = "output_router_logits router_aux_loss_coef router_jitter_noise router_z_loss_coef";
// Beside use_sliding_window, in classes that have no windows or do not read from which layer on.
constexpr std::string_view kOfSwitchedWindows = "max_window_layers";

// What a null stands for: head_dim, hidden_size / num_attention_heads; num_key_value_heads, num_attention_heads; layer_types,
// what use_sliding_window and max_window_layers say; sliding_window, none; mlp_only_layers, none; a token id, none.
constexpr std::array kClasses = {
    ConfigClass{"llama",
                R"({"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
                    "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "bos_token_id": 1, "eos_token_id": 2,
                    "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false})",
                "bos_token_id eos_token_id",
                R"({"qkv_bias": false, "use_qk_norm": false, "qk_norm": false, "use_sliding_window": false,
                    "bias": false})",
                1e4,
                {kOfDecoders, kOfSwitchedWindows, "is_llama_config"}},
    ConfigClass{"mistral",
                R"({"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": null, "hidden_act": "silu",
                    "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "bos_token_id": 1, "eos_token_id": 2,
                    "tie_word_embeddings": false, "sliding_window": 4096})",
                "bos_token_id eos_token_id sliding_window",
                R"({"attention_bias": false, "mlp_bias": false, "qkv_bias": false, "use_qk_norm": false, "qk_norm": false})",
                1e4,
                {kOfDecoders}},
    ConfigClass{"mixtral",
                R"({"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": null, "hidden_act": "silu",
                    "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2,
                    "tie_word_embeddings": false, "sliding_window": null, "num_local_experts": 8, "num_experts_per_tok": 2})",
                "bos_token_id eos_token_id",
                R"({"attention_bias": false, "mlp_bias": false, "qkv_bias": false, "use_qk_norm": false, "qk_norm": false})",
                1e6,
                {kOfDecoders, kOfExperts}},
    ConfigClass{"qwen2",
                R"({"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": null, "hidden_act": "silu",
                    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "bos_token_id": null, "eos_token_id": null,
                    "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 4096,
                    "max_window_layers": 28, "layer_types": null})",
                "num_key_value_heads sliding_window",
                R"({"attention_bias": true, "qkv_bias": true, "mlp_bias": false, "use_qk_norm": false, "qk_norm": false})",
                1e4,
                {kOfDecoders}},
    ConfigClass{"qwen3",
                R"({"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
                    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "bos_token_id": null, "eos_token_id": null,
                    "tie_word_embeddings": false, "attention_bias": false, "use_sliding_window": false,
                    "sliding_window": 4096, "max_window_layers": 28, "layer_types": null})",
                "num_key_value_heads sliding_window",
                R"({"qkv_bias": false, "mlp_bias": false, "use_qk_norm": true, "qk_norm": true})",
                1e4,
                {kOfDecoders}},
    ConfigClass{"qwen3_moe",
                R"({"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
                    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": null, "hidden_act": "silu",
                    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "bos_token_id": null, "eos_token_id": null,
                    "tie_word_embeddings": false, "attention_bias": false, "use_sliding_window": false,
                    "sliding_window": 4096, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
                    "norm_topk_prob": false, "decoder_sparse_step": 1, "mlp_only_layers": null})",
                "sliding_window",
                R"({"qkv_bias": false, "mlp_bias": false, "use_qk_norm": true, "qk_norm": true})",
                1e4,
                {kOfDecoders, kOfExperts, kOfSwitchedWindows}},
};

// `fixed` of every class: what some other models have. A null reads as false.
constexpr std::string_view kFixed =
    R"({"is_causal": true, "use_bidirectional_attention": false, "is_encoder_decoder": false, "add_cross_attention": false,
        "pruned_heads": {}, "use_mrope": false, "rope_interleaved": false, "use_parallel_residual": false,
        "parallel_attn": false, "alibi": false, "shared_expert_intermediate_size": 0, "n_shared_experts": 0,
        "num_shared_experts": 0, "num_nextn_predict_layers": 0, "use_dynamic_ntk": false, "use_logn_attn": false,
        "rotary_pct": 1, "activation": "swiglu"})";

// What no model's forward pass asks for.
constexpr std::string_view kBookkeeping =
    // of transformers
    "architectures auto_map transformers_version transformers.js_config dtype torch_dtype name_or_path model_type "
    "tokenizer_class use_cache use_return_dict return_dict output_hidden_states output_attentions torchscript "
    "use_bfloat16 tf_legacy_loss attn_implementation attention_implementation tokenizer_name experts_implementation "
    "custom_pipelines task_specific_params finetuning_task chunk_size_feed_forward prefix tie_last_hidden_states "
    "keys_to_ignore_at_inference "
    // of training
    "initializer_range initializer_factor init_std attention_dropout attention_probs_dropout_prob hidden_dropout "
    "hidden_dropout_prob classifier_dropout resid_pdrop embd_pdrop attn_pdrop resid_dropout embd_dropout attn_dropout "
    "dropout mlp_dropout ffn_dropout residual_dropout embedding_dropout pretraining_tp gradient_checkpointing "
    "use_gradient_checkpointing neftune_noise_alpha finetuned internal_version use_flash_attn use_flash_attention "
    "use_flash_attention_2 use_fused_rms_norm fuse_norm fuse_cross_entropy use_fused_rope sequence_parallel "
    "tensor_parallel_degree tp_size ep_size bf16 fp16 fp32 use_bf16 "
    // of the tokenizer, of publishing, of quantisation tools that left the weights alone
    "sep_token_id unk_token_id mask_token_id cls_token_id bos_token eos_token pad_token unk_token padding_side "
    "tokenizer_padding_side tokenizer_model_max_length model_max_length max_seq_len max_seq_length seq_length seq_len "
    "max_sequence_length unpadded_vocab_size model_name license language tags library_name pipeline_tag base_model "
    "unsloth_version unsloth_fixed use_unsloth "
    // of text generation
    "max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty "
    "temperature top_k top_p min_p typical_p repetition_penalty length_penalty no_repeat_ngram_size bad_words_ids "
    "num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id "
    "remove_invalid_values suppress_tokens begin_suppress_tokens exponential_decay_length_penalty";

bool has_word(std::string_view words, std::string_view word) {
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    if (words.substr(begin, end - begin) == word) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

bool ConfigClass::may_be_null(std::string_view key) const { return has_word(nullable, key); }

bool ConfigClass::ignores(std::string_view key) const {
  const auto names_it = [&](std::string_view names) { return has_word(names, key); };
  return key.starts_with("_") || names_it(kBookkeeping) || std::any_of(ignored.begin(), ignored.end(), names_it);
}

std::span<const ConfigClass> config_classes() { return kClasses; }

std::string_view fixed_in_every_class() { return kFixed; }

const ConfigClass& find_config_class(const std::string& model_type) {
  std::string known;
  for (const ConfigClass& c : kClasses) {
    if (c.model_type == model_type) return c;
    known += (known.empty() ? "" : ", ") + std::string(c.model_type);
  }
  bad_input("unknown architecture: model_type ", in_quotes(model_type), "; known are ", known);
}

}  // namespace weft
