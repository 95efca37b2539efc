#include "runtime/models/weight_table.h"

namespace weft {
namespace {

std::string fill(std::string pattern, int layer, int expert) {
  for (const auto& [mark, value] : {std::pair{"{i}", layer}, {"{e}", expert}})
    if (const size_t at = pattern.find(mark); at != std::string::npos) pattern.replace(at, 3, std::to_string(value));
  return pattern;
}

}  // namespace

void WeightTable::matrix(Slot slot, Shard shard, int64_t rows, int64_t cols, const std::string& hf, const std::string& gguf,
                         int layer, const std::string& hf_fused) {
  std::vector<WeightSource> sources = {{fill(hf, layer, 0), rows}};
  if (!hf_fused.empty()) sources.push_back({fill(hf_fused, layer, 0), rows});
  sources.push_back({fill(gguf, layer, 0), rows});
  rules_.push_back({slot, shard, layer, -1, rows, cols, std::move(sources)});
}

void WeightTable::vector(Slot slot, Shard shard, int64_t n, const std::string& hf, const std::string& gguf, int layer,
                         bool optional) {
  rules_.push_back({slot, shard, layer, -1, n, 0, {{fill(hf, layer, 0), 1}, {fill(gguf, layer, 0), 1}}, optional});
}

void WeightTable::experts(Slot slot, Shard shard, int64_t rows, int64_t cols, const std::string& hf,
                          const std::string& hf_fused, int64_t fused_rows, int64_t fused_first, const std::string& gguf,
                          const std::string& gguf_each, int layer) {
  const int n = config_.moe.n_experts;
  for (int e = 0; e < n; ++e)
    rules_.push_back({slot,
                      shard,
                      layer,
                      e,
                      rows,
                      cols,
                      {{fill(hf, layer, e), rows},
                       {fill(hf_fused, layer, e), n * fused_rows, e * fused_rows + fused_first},
                       {fill(gguf_each, layer, e), rows},
                       {fill(gguf, layer, e), n * rows, e * rows}}});
}

}  // namespace weft
