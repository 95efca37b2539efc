#pragma once
// Moving tensors between files: row by row, in any order of rows, changing the stored type on the way.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/weights/checkpoint.h"

namespace weft {

int64_t row_count(const TensorInfo& info);   // the product of all dimensions but the last
int64_t row_length(const TensorInfo& info);  // the last; 1 for a scalar

// Produces `name` of `source` in type `type`: sink is given consecutive bytes. Row r of the result is the
// source's row source_row(r), or r if source_row is empty; a vector (one row) is reordered by elements
// instead. A row that already has the type is copied bit for bit. Values::finite refuses NaN, infinity and what the type
// cannot hold (above 65,504 in f16, or in a block's scale), naming tensor, value and index; Values::any stores what comes out.
enum class Values : uint8_t { any, finite };
using ByteSink = std::function<void(const void* data, size_t bytes)>;
void copy_tensor(const Checkpoint& source, const std::string& name, DType type, const std::function<int64_t(int64_t)>& source_row,
                 Values values, const ByteSink& sink);

}  // namespace weft
