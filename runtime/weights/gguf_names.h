#pragma once
// What llama.cpp calls the tensors that Hugging Face calls otherwise: one list an architecture, and nobody else knows such a name.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft {

// A module's two names; its tensors end in .weight or .bias in both formats. "{l}" stands for a layer, "{e}" for an expert; a GGUF name
// without the expert is that of a tensor that holds all of them, one behind the other.
struct GgufName {
  // How the tensor there differs from Hugging Face's: rows of a head in the order of interleaved RoPE (llama_layout.h).
  enum class Rows : uint8_t { same, rope_pairs };
  std::string_view hugging_face, gguf;
  Rows rows = Rows::same;
};

class GgufNames {
 public:
  // Of a model_type of config.json; one that no GGUF architecture holds has no names.
  explicit GgufNames(std::string_view model_type);

  const char* architecture() const { return architecture_; }  // nullptr: none

  struct Found {
    std::string name;
    int64_t expert = -1;  // to GGUF: whose part of a tensor of all experts it is
    GgufName::Rows rows = GgufName::Rows::same;
  };
  std::optional<Found> to_gguf(std::string_view hugging_face) const;
  // Of a tensor of all experts the name keeps its "{e}".
  std::optional<Found> to_hugging_face(std::string_view gguf) const;

 private:
  const char* architecture_ = nullptr;
  std::span<const GgufName> attention_, experts_;  // besides what all have
};

// Tensors that are looked for by what they are.
inline constexpr const char* kGgufEmbedding = "token_embd.weight";
inline constexpr const char* kGgufHead = "output.weight";         // a model that ties it has none
inline constexpr const char* kGgufRouter = ".ffn_gate_inp.";      // in a name; stored as f32
inline constexpr const char* kGgufRopeFreqs = "rope_freqs.weight";  // divisors of RoPE's frequencies, Llama 3's scaling

}  // namespace weft
