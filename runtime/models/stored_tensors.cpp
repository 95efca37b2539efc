#include "runtime/models/stored_tensors.h"

#include <algorithm>
#include <cctype>

#include "kernels/core/check.h"

namespace weft {
namespace {

const char* share_of(const Census::Declared::Claim& claim, int world) {
  if (world == 1) return "none";
  if (claim.weight->copies.placement.ranks() > 1) return "experts";
  const auto divided = [](const Dim& dim) { return dim.share != Dim::Share::whole && dim.ranks > 1; };
  const bool transposed = claim.part->stored.transposed;
  if (divided(claim.part->rows)) return transposed && !claim.is_bias ? "columns" : "rows";
  if (!claim.weight->is_vector && !claim.is_bias && divided(claim.weight->columns)) return transposed ? "rows" : "columns";
  return "none";
}

// "layers.2." before "layers.10.": numbers are compared by their digits' number first.
bool in_order(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i == a.size() || i == b.size() || (!digit(a[i]) && !digit(b[i]))) return a < b;
  const auto digits = [&](const std::string& text) {
    return std::find_if_not(text.begin() + i, text.end(), digit) - text.begin();
  };
  return digits(a) != digits(b) ? digits(a) < digits(b) : a < b;
}

}  // namespace

std::vector<StoredTensor> stored_tensors(const Census& census, DType otherwise) {
  const int world = census.mesh().world;
  std::vector<StoredTensor> tensors;
  for (const auto& [name, declared] : census.tensors()) {
    const Census::Declared::Claim& first = declared.claims.front();
    const bool values = first.is_bias || first.weight->is_vector;
    StoredTensor t{.name = name,
                   .tensors = declared.tensors,
                   .shape = declared.rows ? std::vector{declared.rows, declared.columns} : std::vector{declared.columns},
                   .dtype = census.dtype(name_of_copy(name, 0), values ? DType::f32 : otherwise),
                   .component = first.weight->component,
                   .share = share_of(first, world),
                   .rank_bytes = std::vector<int64_t>(static_cast<size_t>(world))};
    t.bytes = t.tensors * std::max<int64_t>(declared.rows, 1) * dtype_bytes(t.dtype, declared.columns);
    for (const Census::Declared::Claim& claim : declared.claims)
      for (int r = 0; r < world; ++r) {
        const int64_t rows = claim.part->rows.held(r).size();
        const int64_t each = values ? rows * 4 : Census::bytes(*claim.weight, *claim.part, r, t.dtype);
        t.rank_bytes[r] += each * std::ssize(claim.weight->copies.held(r));
      }
    tensors.push_back(std::move(t));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return in_order(a.name, b.name); });
  return tensors;
}

}  // namespace weft
