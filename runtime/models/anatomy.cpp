#include "runtime/models/anatomy.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {
namespace {

// Equal modules are counted: "36 x GQA ... | 12 x GQA ...", in the order in which they first appear.
std::string kinds(const Census& census, const std::string& component) {
  std::vector<std::pair<std::string, int>> counts;
  for (const Census::Module& module : census.modules()) {
    if (module.component != component) continue;
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == module.kind; });
    if (found == counts.end()) counts.emplace_back(module.kind, 1);
    else ++found->second;
  }
  std::string text;
  for (const auto& [kind, count] : counts) text += cat(text.empty() ? "" : " | ", count > 1 ? cat(count, " x ") : "", kind);
  return text;
}

// One weight's share of every figure.
void add(Anatomy& out, Anatomy::Component& component, const Census& census, const Census::Weight& weight, DType otherwise) {
  const int64_t copies = weight.copies.count(), active = std::min(copies, weight.copies.active);
  const int world = census.mesh().world;
  for (const Part& part : weight.parts) {
    const int64_t rows = part.rows.size(), columns = weight.is_vector ? 1 : weight.columns.size();
    const int64_t bias = part.bias.empty() ? 0 : rows, each = rows * columns + bias;
    component.parameters += copies * each;
    component.active += active * each;
    std::vector<int64_t> bytes_of_copy(static_cast<size_t>(world));  // at the type of the copy before
    DType last = DType::i32;
    for (int64_t e = 0; e < copies; ++e) {
      const DType dtype = weight.is_vector ? DType::f32 : census.dtype(name_of_copy(part.weight, e), otherwise);
      out.weight_bytes += rows * dtype_bytes(dtype, columns) + bias * 4;
      if (dtype != last)
        for (int r = 0; r < world; ++r)
          bytes_of_copy[r] = Census::bytes(weight, part, r, dtype) + (bias ? part.rows.held(r).size() * 4 : 0);
      last = dtype;
      if (weight.copies.placement.ranks() > 1) {
        for (const int holder : weight.copies.placement.ranks_of(static_cast<int>(e)))
          out.rank_weight_bytes[holder] += bytes_of_copy[holder];
      } else {
        for (int r = 0; r < world; ++r) out.rank_weight_bytes[r] += bytes_of_copy[r];
      }
    }
  }
}

}  // namespace

Anatomy anatomy(const Census& census, DType kv_dtype, DType otherwise) {
  const auto world = static_cast<size_t>(census.mesh().world);
  Anatomy out;
  out.rank_weight_bytes.assign(world, 0);
  out.rank_kv_bytes_per_token.assign(world, 0);
  for (const char* name : {"embedding", "attention", "mlp", "router", "experts", "norms", "head"})
    out.components.push_back({name, kinds(census, name)});
  for (const Census::Weight& weight : census.weights()) {
    const auto of = std::find_if(out.components.begin(), out.components.end(),
                                 [&](const auto& component) { return component.name == weight.component; });
    WEFT_CHECK(of != out.components.end(), "component ", weight.component);
    add(out, *of, census, weight, otherwise);
  }
  std::erase_if(out.components, [](const auto& c) { return c.parameters == 0; });
  for (const auto& c : out.components) out.parameters += c.parameters, out.active += c.active;

  for (const Paged& paged : census.paged()) {
    const int64_t head = dtype_bytes(kv_dtype, paged.k + paged.v);
    out.kv_bytes_per_token += paged.heads.size() * head;
    for (size_t r = 0; r < world; ++r)
      out.rank_kv_bytes_per_token[r] += paged.heads.held(static_cast<int>(r)).size() * head;
  }
  return out;
}

}  // namespace weft
