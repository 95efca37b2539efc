#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sample/sample_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <limits>

#include "kernels/core/simd.h"
#include "kernels/sample/sample.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

// The largest of n values, NaN if one is NaN or infinite.
float largest_of(const float* x, int64_t n) {
  F32x16 largest = set(-std::numeric_limits<float>::infinity()), zeros = zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const F32x16 v = load_n(x + i, n - i);
    zeros = zeros + (v - v);  // NaN once v is not finite
    largest = max(largest, n - i < kLanes ? keep_lanes(v, 0, n - i, largest) : v);
  }
  return any_nan(zeros) ? std::numeric_limits<float>::quiet_NaN() : max(largest);
}

// out = (x - largest) / temperature. Never above 0; what overflows is -infinity, whose weight is 0.
void scale(const float* x, int64_t n, float largest, float temperature, float* out) {
  for (int64_t i = 0; i < n; i += kLanes) store_n((load_n(x + i, n - i) - set(largest)) / set(temperature), out + i, n - i);
}

// Sum of exp(x), in pieces short enough for f32.
double sum_of_exp(const float* x, int64_t n) {
  constexpr int64_t kPiece = 4096;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    F32x16 part = zero();
    for (int64_t i = begin; i < std::min(begin + kPiece, n); i += kLanes)
      part = part + keep_lanes(exp(load_n(x + i, n - i)), 0, n - i, zero());
    total += sum(part);
  }
  return total;
}

void exp_in_place(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store_n(exp(load_n(x + i, n - i)), x + i, n - i);
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "kernels/core/rng.h"

namespace weft {
namespace cpu {
namespace {

HWY_EXPORT(largest_of);
HWY_EXPORT(scale);
HWY_EXPORT(sum_of_exp);
HWY_EXPORT(exp_in_place);

// Index of the largest value, the first of equals: one pass over pieces, then a look into the best piece. -1 if a value is NaN
// or infinite.
int64_t arg_max(const float* x, int64_t n) {
  constexpr int64_t kPiece = 1024;
  int64_t best = 0;
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const float in_piece = HWY_DYNAMIC_DISPATCH(largest_of)(x + begin, std::min(kPiece, n - begin));
    if (std::isnan(in_piece)) return -1;
    if (in_piece > largest) {
      largest = in_piece;
      best = begin;
    }
  }
  while (x[best] != largest) ++best;
  return best;
}

// Tokens in descending order of score (ties: lower id), sorted only as far as somebody looks. The largest score is 0 and most of
// a vocabulary is far below it, so candidates are collected by thresholds, and revealed in growing pieces.
class Descending {
 public:
  struct Token {
    float score;
    int32_t id;
    bool operator<(const Token& other) const { return score != other.score ? score > other.score : id < other.id; }
  };

  Descending(std::span<const float> scores, Token* tokens, float* weights)
      : scores_(scores), tokens_(tokens), weights_(weights) {}

  int32_t id(int64_t i) { return reveal(i), tokens_[i].id; }
  double weight(int64_t i) { return reveal(i), weights_[i]; }  // exp(score)

 private:
  void reveal(int64_t i) {
    while (i >= sorted_) {
      if (sorted_ == found_) {
        collect();
        continue;
      }
      const int64_t n = std::min(found_ - sorted_, std::max<int64_t>(256, sorted_));
      Token* first = tokens_ + sorted_;
      std::nth_element(first, first + n - 1, tokens_ + found_);
      std::sort(first, first + n);
      for (int64_t j = 0; j < n; ++j) weights_[sorted_ + j] = first[j].score;
      HWY_DYNAMIC_DISPATCH(exp_in_place)(weights_ + sorted_, n);
      sorted_ += n;
    }
  }

  // Finds the tokens below what was collected so far: down to -8, to -32, then all others.
  void collect() {
    const float above = lowest_;
    lowest_ = above > 0 ? -8 : above == -8 ? -32 : -infinity;
    for (int32_t i = 0; i < std::ssize(scores_); ++i)
      if (scores_[i] >= lowest_ && scores_[i] < above) tokens_[found_++] = {scores_[i], i};
  }

  static constexpr float infinity = std::numeric_limits<float>::infinity();
  std::span<const float> scores_;
  Token* tokens_;
  float* weights_;
  float lowest_ = infinity;
  int64_t found_ = 0, sorted_ = 0;
};

float penalise(float logit, float penalty) {
  constexpr float range = std::numeric_limits<float>::max();
  return std::clamp(logit > 0 ? logit / penalty : logit * penalty, -range, range);
}

int32_t draw(std::span<const float> scores, const SamplingParams& params, int64_t position, Context& context) {
  const int64_t n = std::ssize(scores);
  Descending order(scores, context.workspace.array<Descending::Token>(n), context.workspace.array<float>(n));
  int64_t kept = params.top_k > 0 ? std::min<int64_t>(params.top_k, n) : n;
  const auto sum_of_kept = [&] {
    double total = 0;
    for (int64_t i = 0; i < kept; ++i) total += order.weight(i);
    return total;
  };
  double total = kept < n ? sum_of_kept() : HWY_DYNAMIC_DISPATCH(sum_of_exp)(scores.data(), n);
  if (params.top_p < 1) {
    double before = order.weight(0);
    int64_t i = 1;  // the largest stays: its weight is 1
    for (; i < kept && before < params.top_p * total; ++i) before += order.weight(i);
    kept = i;
  }
  if (params.min_p > 0) {
    int64_t i = 1;
    while (i < kept && order.weight(i) >= params.min_p) ++i;
    kept = i;
  }
  if (kept < n) total = sum_of_kept();
  double left = uniform(params.seed, static_cast<uint64_t>(position)) * total;
  for (int64_t i = 0; i + 1 < kept; ++i)
    if ((left -= order.weight(i)) < 0) return order.id(i);
  return order.id(kept - 1);
}

}  // namespace

int32_t sample(Tensor logits, const SamplingParams& params, std::span<const int32_t> seen, int64_t position, Context& context) {
  const Arena::Scope scope(context.workspace);
  const int64_t n = logits.dim(0);
  const float* scores = logits.as<float>();
  int64_t best = arg_max(scores, n);
  if (best < 0) return -1;
  float* own = context.workspace.array<float>(n);
  if (params.repetition_penalty != 1 && !seen.empty()) {
    std::copy_n(scores, n, own);
    for (int32_t id : seen) own[id] = penalise(scores[id], params.repetition_penalty);
    scores = own;
    best = arg_max(scores, n);
  }
  if (params.temperature == 0) return static_cast<int32_t>(best);
  HWY_DYNAMIC_DISPATCH(scale)(scores, n, scores[best], params.temperature, own);
  return draw({own, static_cast<size_t>(n)}, params, position, context);
}

}  // namespace cpu

int64_t sample_workspace(int64_t vocab) {
  return 2 * Arena::padded(vocab * 4) + Arena::padded(vocab * static_cast<int64_t>(sizeof(cpu::Descending::Token)));
}

}  // namespace weft
#endif
