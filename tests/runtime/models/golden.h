#pragma once
// A golden of tests/golden/models: a tiny model, prompts, and transformers' float32 answers (tests/golden/make_models.py).
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

struct GoldenCase {
  std::vector<int32_t> input_ids;
  std::vector<float> logits;        // (input_ids, vocab)
  std::vector<int32_t> greedy_ids;  // the continuation, never stopped by EOS
};

struct Golden {
  std::string model_path;
  std::vector<GoldenCase> cases;
};

std::vector<std::string> golden_names();  // every directory, sorted
Golden read_golden(const std::string& name);

// |a - b| / |b| in double.
double relative_l2(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace weft
