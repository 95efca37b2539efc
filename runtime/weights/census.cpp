#include "runtime/weights/census.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {
namespace {

// Sorted, neighbours joined. What overlaps is left as it is: check_tiles finds it.
std::vector<Range> joined(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<Range> out;
  for (const Range& range : ranges)
    if (!out.empty() && out.back().end == range.begin) out.back().end = range.end;
    else out.push_back(range);
  return out;
}

void check_tiles(const std::string& name, const char* what, const std::vector<Range>& ranges) {
  int64_t next = 0;
  for (const Range& range : joined(ranges)) {
    WEFT_CHECK(range.begin == next, what, " ", next, " to ", range.begin, " of ", name, " are claimed twice or by nobody");
    next = range.end;
  }
}

// The rows and columns of one copy that a part claims.
struct Cells {
  std::vector<Range> rows, columns;
};

Cells cells_of(const Census::Declared::Claim& claim) {
  std::vector<Range> runs;
  claim.part->stored.runs({0, claim.part->rows.size()}, [&](Range run) { runs.push_back(run); });
  if (claim.is_bias || claim.weight->is_vector) return {{{0, 1}}, joined(runs)};
  const Range columns{0, claim.weight->columns.size()};
  if (claim.part->stored.transposed) return {{columns}, joined(runs)};
  return {joined(runs), {columns}};
}

// The shape of one copy. Its parts lie one behind the other along the rows, or along the columns.
Range extent(const std::string& name, const std::vector<Cells>& parts) {
  int64_t rows = 0, columns = 0;
  for (const Cells& cells : parts) {
    for (const Range& range : cells.rows) rows = std::max(rows, range.end);
    for (const Range& range : cells.columns) columns = std::max(columns, range.end);
  }
  std::vector<Range> claimed_rows, claimed_columns;
  bool along_rows = true, along_columns = true;
  for (const Cells& cells : parts) {
    along_rows &= cells.columns == std::vector<Range>{{0, columns}};
    along_columns &= cells.rows == std::vector<Range>{{0, rows}};
    claimed_rows.insert(claimed_rows.end(), cells.rows.begin(), cells.rows.end());
    claimed_columns.insert(claimed_columns.end(), cells.columns.begin(), cells.columns.end());
  }
  WEFT_CHECK(along_rows || along_columns, "the parts of ", name, " lie neither below nor beside each other");
  if (along_rows) check_tiles(name, "rows", claimed_rows);
  else check_tiles(name, "columns", claimed_columns);
  return {rows, columns};
}

std::string described(const TensorInfo& info) {
  std::string text;
  for (const int64_t d : info.shape) text += (text.empty() ? "" : ", ") + std::to_string(d);
  return "(" + text + ")";
}

}  // namespace

int64_t Weights::bytes() const {
  int64_t bytes = 0;
  for (const auto& stack : matrices)
    for (const PackedMatrix& matrix : stack) bytes += matrix.bytes();
  return bytes;
}

size_t Census::declare(Weight weight) {
  std::string key;
  for (const Part& part : weight.parts) {
    const Stored& at = part.stored;
    key += cat(part.weight, "@", at.first, ",", at.block, ",", at.stride, at.transposed ? "t " : " ");
  }
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  if (weight.is_vector) {
    weight.index = weights_->vectors.size();
    weights_->vectors.emplace_back();
  } else {
    weight.index = weights_->matrices.size();
    weights_->matrices.emplace_back(weight.copies.held(mesh_.rank).size());
  }
  known_[key] = weight.index;
  declared_.push_back(std::move(weight));
  return declared_.back().index;
}

std::map<std::string, Census::Declared> Census::tensors() const {
  std::map<std::string, Declared> tensors;
  for (const Weight& weight : declared_)
    for (const Part& part : weight.parts) {
      tensors[part.weight].claims.push_back({&weight, &part, false});
      if (!part.bias.empty()) tensors[part.bias].claims.push_back({&weight, &part, true});
    }
  for (auto& [name, tensor] : tensors) {
    std::vector<Cells> parts;
    for (const Declared::Claim& claim : tensor.claims) parts.push_back(cells_of(claim));
    const auto [rows, columns] = extent(name, parts);
    const Declared::Claim& claim = tensor.claims.front();
    const int64_t copies = claim.weight->copies.count();
    const bool apart = one_tensor_a_copy(name), vector = claim.is_bias || claim.weight->is_vector;
    tensor.tensors = apart ? copies : 1;
    tensor.columns = columns;
    tensor.rows = apart || copies == 1 ? (vector ? 0 : rows) : rows * copies;
  }
  return tensors;
}

void Census::check(const std::string& model_type) const {
  const Checkpoint& checkpoint = tensors_->checkpoint();
  const auto ignored = [&](const std::string& name) {
    return std::any_of(ignored_.begin(), ignored_.end(), [&](const std::string& prefix) { return name.starts_with(prefix); });
  };
  checkpoint.check_types(ignored);
  std::set<std::string> used;
  std::string missing;  // told last: of a config with too many experts the router's shape says more
  for (const auto& [pattern, wanted] : tensors())
    for (int64_t e = 0; e < wanted.tensors; ++e) {
      const std::string name = name_of_copy(pattern, e);
      const NamedTensors::Entry* entry = tensors_->find(name);
      if (!entry) {
        if (missing.empty()) missing = name;
        continue;
      }
      used.insert(entry->stored);
      if (entry->columns != wanted.columns || entry->rows != std::max<int64_t>(wanted.rows, 1))
        bad_input(checkpoint.path(), ": tensor ", entry->stored, " has shape ", described(checkpoint.info(entry->stored)),
                  ", the config asks for ",
                  wanted.rows ? cat("(", wanted.rows * entry->copies, ", ", wanted.columns, ")") : cat("(", wanted.columns, ")"));
      for (const Declared::Claim& claim : wanted.claims)
        if (claim.part->stored.transposed && is_quantised(entry->dtype))
          bad_input(checkpoint.path(), ": tensor ", entry->stored, " is stored (in, out) in blocks of type ", weft::name(entry->dtype),
                    ", which cannot be turned");
    }
  if (!missing.empty()) bad_input(checkpoint.path(), ": tensor ", tensors_->name_in_file(missing), " is missing");
  for (const auto& [name, info] : checkpoint.tensors())
    if (!used.contains(name) && !ignored(name))
      bad_input(checkpoint.path(), ": tensor ", name, " is not part of a ", model_type, " model");
}

DType Census::dtype(const std::string& name, DType otherwise) const {
  const NamedTensors::Entry* entry = tensors_ ? tensors_->find(name) : nullptr;
  return entry ? entry->dtype : otherwise;
}

int64_t Census::weight_bytes(int rank) const {
  int64_t total = 0;
  for (const Weight& weight : declared_)
    for (const Part& part : weight.parts) {
      for (const int e : weight.copies.held(rank))
        total += bytes(weight, part, rank, dtype(name_of_copy(part.weight, e), DType::f32));
      if (!part.bias.empty()) total += part.rows.held(rank).size() * 4;
    }
  return total;
}

}  // namespace weft
