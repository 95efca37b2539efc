#pragma once
// Draws a step's tokens, the same on every rank: each keeps the parameters of the sequences that generate, and what they have
// generated where a penalty asks for it.
#include <unordered_map>
#include <vector>

#include "parallel/mesh.h"
#include "parallel/sample_tp.h"
#include "runtime/engine/step_plan.h"

namespace weft {

class Sampler {
 public:
  // What was drawn for the plan's chunks that draw, in order; valid until the next draw.
  struct Drawn {
    std::span<const int32_t> ids;            // -1: a logit is NaN or infinite
    std::span<const uint64_t> fingerprints;  // of the logits
  };

  Sampler(int64_t vocab, int64_t max_seqs, Parallel parallel);

  // logits: of the rows that are drawn from, in order; overwritten. Called by all ranks.
  Drawn draw(const StepPlan& plan, Tensor logits);

  // Bytes of workspace that takes.
  static int64_t workspace(int64_t max_seqs, const Mesh& mesh);

 private:
  struct Sequence {
    SamplingParams params;
    std::vector<SeenToken> seen;                   // each id once
    std::unordered_map<int32_t, size_t> place_of;  // id to its place in `seen`
    void see(int32_t id, bool generated);
  };
  void begin(const StepPlan::Begin& begin);

  int64_t vocab_;
  Parallel parallel_;
  std::vector<Sequence> sequences_;  // by index
  std::vector<SampleRow> rows_;
  std::vector<int32_t> ids_, positions_, indices_;
  std::vector<uint64_t> fingerprints_;
};

}  // namespace weft
