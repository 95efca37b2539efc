#include "runtime/engine/sampler.h"

#include <algorithm>

namespace weft {

Sampler::Sampler(int64_t vocab, int64_t max_seqs, Parallel parallel) : vocab_(vocab), parallel_(parallel) {
  const auto n = static_cast<size_t>(max_seqs);
  rows_.reserve(n);
  fingerprints_.reserve(n);
  for (auto* values : {&ids_, &positions_, &indices_}) values->reserve(n);
}

int64_t Sampler::workspace(int64_t max_seqs, const Mesh& mesh) {
  const int64_t sums = Arena::padded(max_seqs * static_cast<int64_t>(sizeof(uint64_t)));
  return std::max(sample_workspace(max_seqs, mesh.tp), sums + Arena::padded(sums * mesh.tp));
}

void Sampler::Sequence::see(int32_t id, bool generated) {
  const auto [at, is_new] = place_of.try_emplace(id, seen.size());
  if (is_new) seen.push_back({.id = id});
  seen[at->second].generated += generated;
}

void Sampler::begin(const StepPlan::Begin& begin) {
  const auto index = static_cast<size_t>(begin.sequence);
  if (index >= sequences_.size()) sequences_.resize(index + 1);
  Sequence& sequence = sequences_[index] = {.params = begin.sampling, .seen = {}, .place_of = {}};
  const int64_t prompt = std::ssize(begin.ids) - begin.n_generated;
  for (int64_t i = 0; i < std::ssize(begin.ids); ++i) sequence.see(begin.ids[i], i >= prompt);
}

Sampler::Drawn Sampler::draw(const StepPlan& plan, Tensor logits) {
  for (const StepPlan::Begin& one : plan.begins) begin(one);
  rows_.clear(), positions_.clear(), indices_.clear();
  for (const StepPlan::Chunk& chunk : plan.chunks) {
    if (!chunk.draw) continue;
    WEFT_CHECK(chunk.sequence < std::ssize(sequences_), "sequence ", chunk.sequence, " of ", sequences_.size());
    const Sequence& sequence = sequences_[chunk.sequence];
    indices_.push_back(chunk.sequence);
    positions_.push_back(chunk.start + chunk.n_tokens);
    rows_.push_back({.params = sequence.params, .position = positions_.back(), .seen = sequence.seen});
  }
  const int64_t rows = std::ssize(rows_);
  ids_.resize(rows_.size());
  fingerprints_.resize(rows_.size());
  if (rows == 0) return {};
  vocab_fingerprint(Tensor(fingerprints_.data(), DType::i32, {rows, 2}), logits, Tensor(positions_.data(), {rows}), vocab_,
                    parallel_);
  vocab_sample(Tensor(ids_.data(), {rows}), logits, rows_, vocab_, parallel_);
  for (int64_t row = 0; row < rows; ++row)
    if (ids_[row] >= 0 && rows_[row].params.penalises()) sequences_[indices_[row]].see(ids_[row], true);
  return {ids_, fingerprints_};
}

}  // namespace weft
