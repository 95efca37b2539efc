#pragma once
// GGUF's model metadata and Hugging Face's config.json: translation both ways, so that models read one kind
// of configuration. Architectures: llama (Hugging Face's llama, mistral, mixtral), qwen2, qwen3, qwen3moe.
#include <optional>
#include <string>

#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_writer.h"
#include "runtime/weights/llama_layout.h"

namespace weft {

// The text of an equivalent config.json. The architecture llama is model_type "mixtral" if it has experts,
// "mistral" if it has a sliding window, else "llama". Llama 3's frequency scaling has no metadata; it is the
// tensor rope_freqs.weight. Every key of the architecture is read, known to be harmless, or refused by name if its
// value asks for something these models do not do.
std::string gguf_config_json(const GgufFile& file);

// What the writer of the tensors needs to know of a config.json.
struct LlamaFamilyShape {
  std::string model_type;
  int64_t n_layers = 0, head_dim = 0;
  int64_t n_experts = 0;  // 0: dense
  bool tie_word_embeddings = false;
  double rope_theta = 10000;
  std::optional<Llama3Rope> llama3_rope;
};

// Reads the text of a config.json; what GGUF or this family cannot express is refused by name.
LlamaFamilyShape read_llama_family(const std::string& config_json);
// Writes the same model's metadata: every key `architecture`.* and general.architecture.
void put_config(GgufWriter& writer, const std::string& config_json);

}  // namespace weft
