#include "runtime/weights/census.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {
namespace {

// Rows of one copy in the tensor that holds part p: of several parts in one tensor the last one's end.
int64_t rows_of_copy(const Census::Weight& weight, const Part& part) {
  int64_t rows = 0;
  for (const Part& other : weight.parts)
    if (other.weight == part.weight) rows = std::max(rows, other.first_row + other.rows.size());
  return rows;
}

bool one_tensor_a_copy(const std::string& name) { return name.find("{e}") != name.npos; }

// Every row of a tensor belongs to one part.
void check_tiles(const std::string& name, std::vector<Range> rows) {
  std::sort(rows.begin(), rows.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  int64_t next = 0;
  for (const Range& range : rows) {
    WEFT_CHECK(range.begin == next, "rows ", next, " to ", range.begin, " of ", name, " are claimed twice or by nobody");
    next = range.end;
  }
}

std::string described(const TensorInfo& info) {
  std::string text;
  for (const int64_t d : info.shape) text += (text.empty() ? "" : ", ") + std::to_string(d);
  return "(" + text + ")";
}

}  // namespace

std::string name_of_copy(const std::string& name, int64_t e) {
  const size_t at = name.find("{e}");
  return at == name.npos ? name : name.substr(0, at) + std::to_string(e) + name.substr(at + 3);
}

int64_t Weights::bytes() const {
  int64_t bytes = 0;
  for (const auto& stack : matrices)
    for (const PackedMatrix& matrix : stack) bytes += matrix.bytes();
  return bytes;
}

size_t Census::declare(Weight weight) {
  std::string key;
  for (const Part& part : weight.parts) key += cat(part.weight, "@", part.first_row, " ");
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

std::map<std::string, Census::Shape> Census::shapes() const {
  std::map<std::string, Shape> shapes;
  for (const Weight& weight : declared_) {
    std::map<std::string, std::vector<Range>> tiles;
    for (const Part& part : weight.parts) {
      tiles[part.weight].push_back({part.first_row, part.first_row + part.rows.size()});
      if (weight.is_vector) {
        shapes[part.weight] = {0, part.rows.size()};
        continue;
      }
      const int64_t rows = rows_of_copy(weight, part), copies = weight.copies.count(), columns = weight.columns.size();
      if (!one_tensor_a_copy(part.weight)) shapes[part.weight] = {rows * copies, columns};
      else
        for (int64_t e = 0; e < copies; ++e) shapes[name_of_copy(part.weight, e)] = {rows, columns};
      if (!part.bias.empty()) shapes[part.bias] = {0, part.rows.size()};
    }
    for (const auto& [name, rows] : tiles) check_tiles(name, rows);
  }
  return shapes;
}

void Census::check(const std::string& model_type) const {
  const Checkpoint& checkpoint = tensors_->checkpoint();
  checkpoint.check_types();
  std::set<std::string> used;
  const std::string* missing = nullptr;  // told last: of a config with too many experts the router's shape says more
  const std::map<std::string, Shape> wanted_shapes = shapes();
  for (const auto& [name, wanted] : wanted_shapes) {
    const NamedTensors::Entry* entry = tensors_->find(name);
    if (!entry) {
      if (!missing) missing = &name;
      continue;
    }
    used.insert(entry->stored);
    if (entry->columns == wanted.columns && entry->rows == std::max<int64_t>(wanted.rows, 1)) continue;
    bad_input(checkpoint.path(), ": tensor ", entry->stored, " has shape ", described(checkpoint.info(entry->stored)),
              ", the config asks for ",
              wanted.rows ? cat("(", wanted.rows * entry->copies, ", ", wanted.columns, ")") : cat("(", wanted.columns, ")"));
  }
  if (missing) bad_input(checkpoint.path(), ": tensor ", tensors_->name_in_file(*missing), " is missing");
  const auto ignored = [&](const std::string& name) {
    return std::any_of(ignored_.begin(), ignored_.end(), [&](const std::string& prefix) { return name.starts_with(prefix); });
  };
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
