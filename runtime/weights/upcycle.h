#pragma once
// weft upcycle: a dense model as a mixture of experts (Komatsuzaki et al. 2022, "Sparse Upcycling"), before
// any training.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/weights/tensor_copy.h"

namespace weft {

struct UpcycleOptions {
  int64_t experts = 4;
  int64_t top_k = 2;
  uint64_t seed = 0;  // of the router
  std::optional<DType> type;  // of all tensors: f32, f16 or bf16; none: as stored, f32 for a quantised GGUF
  Values values = Values::finite;
};

// Writes a Mixtral-form Hugging Face directory from a dense llama or mistral model (directory or GGUF): every
// expert is a copy of the layer's MLP, the router is random. The weights of the chosen experts add up to one,
// so the output is the dense model's up to rounding whatever is routed where. Without a type tensors keep theirs; those
// of a quantised GGUF become f32, exactly the values it stands for. Tokenizer and generation_config.json come
// along. The directory is made and must be empty; a failure leaves it so. Returns notices for the user.
std::vector<std::string> upcycle(const std::string& model, const UpcycleOptions& options,
                                 const std::string& output_directory);

}  // namespace weft
