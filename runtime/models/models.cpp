// The plain list of architectures.
#include <array>
#include <limits>

#include "kernels/core/check.h"
#include "runtime/models/architecture.h"

namespace weft {
namespace {

struct Architecture {
  const char* model_type;
  Model (*make)(const Build& b);
};
constexpr std::array kArchitectures = {Architecture{"llama", llama},     Architecture{"mistral", mistral},
                                       Architecture{"mixtral", mixtral}, Architecture{"qwen2", qwen2},
                                       Architecture{"qwen3", qwen3},     Architecture{"qwen3_moe", qwen3_moe}};

const Architecture& find_architecture(const std::string& model_type) {
  for (const Architecture& a : kArchitectures)
    if (a.model_type == model_type) return a;
  WEFT_CHECK(false, "no architecture for the config class ", model_type);
  __builtin_unreachable();
}

// As transformers has it: where generation_config.json says what ends an answer, config.json is not asked.
void read_token_ids(const ModelFiles& files, ModelInfo& info) {
  constexpr int64_t kAny = std::numeric_limits<int32_t>::max();
  const char* eos = "eos_token_id";
  if (files.config.has("bos_token_id"))
    info.bos_token_id = static_cast<int32_t>(files.config.integer("bos_token_id", -kAny, kAny));
  const bool in_config = files.config.has(eos), in_generation = files.generation.has(eos);
  const auto ids = in_generation ? files.generation.integers(eos) : in_config ? files.config.integers(eos) : std::vector<int64_t>();
  for (const int64_t id : ids) {
    if (id < 0 || id >= info.vocab_size) bad_input("eos_token_id ", id, " is outside the vocabulary of ", info.vocab_size);
    info.eos_token_ids.push_back(static_cast<int32_t>(id));
  }
}

}  // namespace

std::vector<std::string> known_model_types() {
  std::vector<std::string> names;
  for (const Architecture& a : kArchitectures) names.push_back(a.model_type);
  return names;
}

ModelInfo info_of(const ModelFiles& files) {
  Census census;
  return make_model(census, files).info;
}

Model make_model(Census& census, const ModelFiles& files) {
  Build b(census, files.config);
  b.ignore(kGgufRopeFreqs);  // ModelFiles has read it
  Model model = find_architecture(files.model_type).make(b);
  model.info.model_type = files.model_type;
  model.info.n_experts = census.n_experts();
  model.info.experts_per_token = census.experts_per_token();
  model.info.max_tp = census.max_tp();
  read_token_ids(files, model.info);
  files.config.finish();
  model.paged = census.paged();
  model.tables = census.tables();
  model.schedules = census.schedules();
  model.weights = census.take_weights();
  return model;
}

}  // namespace weft
