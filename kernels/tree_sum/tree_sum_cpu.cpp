#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/core/dispatch.h"
#include "kernels/tree_sum/tree_sum.h"

namespace weft::cpu {
namespace {

// out[0..n) = the tree over the parts, part i at part_at(i)[0..n).
template <class PartAt>
void combine(std::span<const int> merges, const PartAt& part_at, int64_t n, float* out) {
  constexpr int64_t kTile = 256;  // the stack stays in L1
  float stack[kTreeDepth][kTile];
  for (int64_t begin = 0; begin < n; begin += kTile) {
    const int64_t width = std::min(kTile, n - begin);
    int depth = 0;
    for (size_t part = 0; part < merges.size(); ++part) {
      std::memcpy(stack[depth++], part_at(part) + begin, static_cast<size_t>(width) * sizeof(float));
      for (int merge = 0; merge < merges[part]; ++merge) {
        --depth;
        for (int64_t i = 0; i < width; ++i) stack[depth - 1][i] += stack[depth][i];
      }
    }
    std::memcpy(out + begin, stack[0], static_cast<size_t>(width) * sizeof(float));
  }
}

}  // namespace

void tree_sum(Tensor out, Tensor parts, std::span<const int> parts_of_rank, std::span<const int> merges, Context& context) {
  struct Place {
    int64_t first, row;  // the part of row t lies at first + t * row
  };
  const int64_t rows = out.dim(0), n = out.dim(1);
  std::vector<Place> places;
  places.reserve(merges.size());
  int64_t first = 0;
  for (const int own : parts_of_rank) {
    for (int i = 0; i < own; ++i) places.push_back({first + i * n, own * n});
    first += rows * own * n;
  }
  constexpr int64_t kGrain = 16384;
  context.pool.parallel_for(out.elements(), kGrain, [&](int64_t begin, int64_t end, int) {
    while (begin < end) {
      const int64_t row = begin / n, column = begin % n, width = std::min(n - column, end - begin);
      const float* from = parts.as<float>() + column;
      const auto part_at = [&](size_t part) { return from + places[part].first + row * places[part].row; };
      combine(merges, part_at, width, out.as<float>() + begin);
      begin += width;
    }
  });
}

}  // namespace weft::cpu
