#pragma once
// What a module's constructor declares itself through: weights with their names, shapes and shares, memory between steps, and
// the tables of a step. A Build is a path into the checkpoint and a view of one Census, which writes everything down; a Loader
// is a census that afterwards reads this rank's bytes. Modules keep the handles they are given and never a Build.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parallel/dim.h"
#include "parallel/expert_dispatch.h"
#include "parallel/expert_placement.h"
#include "runtime/weights/config_reader.h"
#include "runtime/weights/weights.h"

namespace weft {

class Census;

// Where output row r of a weight, or element r of its bias, lies in the stored tensor: at first + r / block * stride + r % block,
// without a block at first + r. So gate and up may lie one above the other or row by row in turn (block 1, stride 2), and q, k
// and v head by head (block head_dim, stride 3 head_dim). A transposed tensor is stored (in, out): the map runs along its columns.
// Where several copies lie in one tensor, all this is within a copy's rows.
struct Stored {
  int64_t first = 0, block = 0, stride = 0;
  bool transposed = false;

  int64_t at(int64_t row) const { return block ? first + row / block * stride + row % block : first + row; }
  // [begin, end) as runs of neighbours in the tensor: piece(run there), ascending in r.
  template <class Fn>
  void runs(Range rows, Fn&& piece) const {
    for (int64_t r = rows.begin; r < rows.end;) {
      const int64_t end = block && block != stride ? std::min(rows.end, (r / block + 1) * block) : rows.end;
      piece(Range{at(r), at(r) + end - r});
      r = end;
    }
  }
};

// One weight of a fused product, names below the module's path.
struct Part {
  std::string weight, bias;  // bias: empty if there is none
  Dim rows;
  Stored stored = {};
};
// MODULE.weight, and MODULE.bias if `bias`.
Part part(const std::string& module, const Dim& rows, bool bias = false, const Stored& stored = {});

// Copies of one matrix, experts or heads: which rank holds which, and how many of them a token meets.
struct Copies {
  static Copies of(const Dim& heads);  // one a unit, all of them active
  ExpertPlacement placement;
  int64_t active = 1;
  Mesh mesh = {};
  // One copy's slices: where every rank holds all copies (ep = 1), a rank holds some slices of each; else whole copies.
  Dim slices(int64_t width) const;

  int64_t count() const { return placement.n_experts(); }
  const std::vector<int>& held(int of_rank) const { return placement.experts_of(of_rank); }
};

// What one position of a sequence keeps of one layer until the sequence ends: elements of K and of V a head.
struct Paged {
  Dim heads;
  int64_t k = 0, v = 0;
};

// cos and sin of every row's position, the arguments of rope_table. inv_freq: (pairs).
struct TableForm {
  std::vector<float> inv_freq;
  float attention_factor = 1;
  bool operator==(const TableForm&) const = default;
};

using CacheId = int;
using TableId = int;
using ScheduleId = int;

class Build {
 public:
  Build(Census& census, const ConfigReader& config) : config(config), census_(&census) {}
  Build operator/(std::string_view module) const;  // PATH.module
  Build operator/(int64_t i) const { return *this / std::to_string(i); }
  // What `inspect` calls what is declared from here on, and how it describes one such module.
  Build as(const std::string& component, const std::string& kind) const;
  // Whether the checkpoint has PATH.name: to choose between spellings, and only that. Without a checkpoint: false.
  bool stored(const std::string& name) const;
  // Tensors below PATH.prefix are no part of the forward pass.
  void ignore(const std::string& prefix) const;

  Dim heads(int64_t n) const;                           // split over tp, which may not exceed it
  Dim serving(int64_t n, const Dim& readers) const;     // KV heads
  Dim slices(int64_t n) const;                          // of an MLP's width
  Dim vocab(int64_t n) const;
  Copies experts(int64_t n, int64_t active) const;

  // The same declaration twice is the same weight. `columns`: the input.
  const PackedMatrix* matrix(const std::vector<Part>& parts, const Dim& columns) const;
  // The copies this rank holds, ascending. "{e}" in a name stands for the copy: a tensor each; without it one tensor holds all
  // of them one behind the other.
  const std::vector<PackedMatrix>* stack(const std::vector<Part>& parts, const Dim& columns, const Copies& copies) const;
  const Vector* vector(const std::string& name, const Dim& elements) const;  // f32

  CacheId paged(const Paged& form) const;
  // What is computed once a step; equal forms are one.
  TableId per_step(const TableForm& form) const;
  ScheduleId per_step(const std::vector<HeadGroup>& groups) const;
  RouterStats* router_stats(int64_t n_experts) const;  // of one layer

  ConfigReader config;

 private:
  std::string path(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }
  std::vector<Part> placed(std::vector<Part> parts) const;

  Census* census_;
  std::string path_, component_;
};

}  // namespace weft
