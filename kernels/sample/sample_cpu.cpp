#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sample/sample_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>
#include <limits>

#include "kernels/core/simd.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/sample_cpu.h"

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

// x = (largest - x) / temperature, the score's distance from 0: its bits as an integer are in its order, since it is never below
// 0, nor -0 (whence + 0).
void to_distances(float* x, int64_t n, float largest, float temperature) {
  for (int64_t i = 0; i < n; i += kLanes)
    store_n((set(largest) - load_n(x + i, n - i)) / set(temperature) + zero(), x + i, n - i);
}

// Whether one of 16 distances lies in [first, last].
HWY_INLINE bool any_within(F32x16 v, float first, float last) {
  const Part d;
  const auto low = hn::Set(d, first), high = hn::Set(d, last);
  bool any = false;
  for (int i = 0; i < kParts; ++i) any |= !hn::AllFalse(d, hn::And(hn::Ge(v.part[i], low), hn::Le(v.part[i], high)));
  return any;
}

// Adds the tokens of `of` to their bins, to which others may add at the same time.
void add_to_bins(const float* distances, int64_t n, BinsOf of, float scale, Bin* bins) {
  constexpr int kTables = 4;  // neighbours often share a bin: in one table each addition would wait for the one before
  Bin tables[kTables][BinsOf::kMost] = {};
  HWY_ALIGN float weights[kLanes];
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t lanes = std::min<int64_t>(kLanes, n - i);
    const F32x16 v = load_n(distances + i, lanes);
    if (!any_within(v, of.first(), of.last())) continue;
    store(exp(-v) * set(scale), weights);
    for (int64_t j = 0; j < lanes; ++j) {
      const auto bits = std::bit_cast<uint32_t>(distances[i + j]);
      if (of.holds(bits))
        tables[j % kTables][of.bin(bits)] += {static_cast<uint64_t>(static_cast<int64_t>(weights[j])), 1};
    }
  }
  for (int bin = 0; bin < of.count(); ++bin) {
    Bin sum;
    for (const auto& table : tables) sum += table[bin];
    if (sum.count > 0) bins[bin].add_atomically(sum);
  }
}

// The sum of the weights of tokens with e^score >= min_p.
uint64_t weight_from(const float* distances, int64_t n, float min_p, float scale) {
  HWY_ALIGN float p[kLanes];
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; i += kLanes) {
    store(exp(-load_n(distances + i, n - i)), p);
    for (int64_t j = 0; j < std::min<int64_t>(kLanes, n - i); ++j)
      if (p[j] >= min_p) sum += static_cast<uint64_t>(static_cast<int64_t>(p[j] * scale));
  }
  return sum;
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <bit>

#include "kernels/core/rng.h"

namespace weft {
namespace cpu {
namespace {

constexpr int kBins = BinsOf::kMost + 1;  // of a row; the last: weights that min_p lets through

HWY_EXPORT(largest_of);
HWY_EXPORT(to_distances);
HWY_EXPORT(add_to_bins);
HWY_EXPORT(weight_from);

struct Best {
  float value = -std::numeric_limits<float>::infinity();
  int32_t id = std::numeric_limits<int32_t>::max();  // -1: a value is NaN or infinite
};

// The largest value, the first of equals: one pass over pieces, then a look into the best piece.
Best best_of(const float* x, int64_t n, int64_t first) {
  constexpr int64_t kPiece = 1024;
  Best best;
  int64_t piece = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const float in_piece = HWY_DYNAMIC_DISPATCH(largest_of)(x + begin, std::min(kPiece, n - begin));
    if (std::isnan(in_piece)) return {.value = in_piece, .id = -1};
    if (in_piece > best.value) {
      best.value = in_piece;
      piece = begin;
    }
  }
  if (n > 0) best.id = static_cast<int32_t>(first + (std::find(x + piece, x + n, best.value) - x));
  return best;
}

float penalise(float logit, const SamplingParams& params, int32_t generated) {
  constexpr float range = std::numeric_limits<float>::max();
  const float r = params.repetition_penalty;
  float x = std::clamp(logit > 0 ? logit / r : logit * r, -range, range);
  if (generated > 0) x -= params.presence_penalty + params.frequency_penalty * static_cast<float>(generated);
  return std::clamp(x, -range, range);
}

// One row's search for the token that holds a point of the cumulative sum over all tokens in descending order.
class Search {
 public:
  // The point in weight, or the index of a token.
  static Search of_weight(uint64_t point) { return {point, true}; }
  static Search of_index(uint64_t point) { return {point, false}; }
  Search() = default;

  BinsOf bins() const { return {prefix_, kBegin[level_] + kWidth[level_], kBegin[level_]}; }
  // Descends into the bin that holds the point. all: of each slice, `stride` bins apart.
  void descend(const Bin* all, int64_t stride, const VocabSlice& slice) {
    const int bins = 1 << kWidth[level_];
    Bin at{};
    int digit = 0;
    for (;; ++digit) {
      at = {};
      for (int s = 0; s < slice.slices; ++s) at += all[s * stride + digit];
      if (digit + 1 == bins || measure(before_) + measure(at) > point_) break;
      before_ += at;
    }
    prefix_ = prefix_ << kWidth[level_] | static_cast<uint32_t>(digit);
    if (++level_ < kLevels) return;
    // All tokens of the bin are equal: in order of their ids.
    WEFT_CHECK(at.count > 0, "no token at ", point_);
    const uint64_t each = at.weight / at.count;
    const uint64_t index = by_weight_ ? (point_ - before_.weight) / each : point_ - before_.count;
    through_ = before_.weight + (index + 1) * each;
    uint64_t of_lower_slices = 0;
    for (int s = 0; s < slice.index; ++s) of_lower_slices += all[s * stride + digit].count;
    index_here_ = static_cast<int64_t>(index) - static_cast<int64_t>(of_lower_slices);
  }
  uint64_t through() const { return through_; }  // the sum of weights up to and with the token
  // The token's id if it is one of these, else -1.
  int32_t id(const float* distances, int64_t n, int64_t first) const {
    int64_t left = index_here_;
    for (int64_t i = 0; i < n && left >= 0; ++i)
      if (std::bit_cast<uint32_t>(distances[i]) == prefix_ && left-- == 0) return static_cast<int32_t>(first + i);
    return -1;
  }

  static constexpr int kLevels = 4;

 private:
  Search(uint64_t point, bool by_weight) : point_(point), by_weight_(by_weight) {}
  uint64_t measure(const Bin& bin) const { return by_weight_ ? bin.weight : bin.count; }

  static constexpr int kBegin[] = {23, 15, 7, 0}, kWidth[] = {8, 8, 8, 7};  // of the 31 bits below the sign
  uint64_t point_ = 0;
  bool by_weight_ = true;
  int level_ = 0;
  uint32_t prefix_ = 0;
  Bin before_{};
  uint64_t through_ = 0;
  int64_t index_here_ = -1;
};

// Draws for the rows of a step, all of whose exchanges it makes together.
class Draws {
 public:
  Draws(Tensor ids, Tensor logits, std::span<const SampleRow> rows, const VocabSlice& slice, Context& context)
      : ids_(ids.as<int32_t>()),
        logits_(logits.as<float>()),
        n_(logits.dim(1)),
        rows_(rows),
        slice_(slice),
        context_(context),
        scale_(std::ldexp(1.0f, 62 - std::bit_width(static_cast<uint64_t>(slice.vocab)))),
        count_(std::ssize(rows)),
        own_(context.workspace.array<Bin>(count_ * kBins)),
        first_(context.workspace.array<Bin>(slice.slices * count_ * kBins)),
        all_(context.workspace.array<Bin>(slice.slices * count_ * kBins)),
        search_(context.workspace.array<Search>(count_)),
        weight_(context.workspace.array<uint64_t>(count_)) {}

  void run() {
    greedy();
    if (!any([&](int64_t row) { return drawn(row); })) return;
    first_bins();
    const auto draws = [&](int64_t row) { return drawn(row); };
    find([&](int64_t row) { return draws(row) && top_k(row) > 0; },
         [&](int64_t row) { return Search::of_index(top_k(row) - 1); });
    find([&](int64_t row) { return draws(row) && params(row).top_p < 1; },
         [&](int64_t row) {
           return Search::of_weight(point(std::ceil(static_cast<double>(weight_[row]) * params(row).top_p), row) - 1);
         });
    for (int64_t row = 0; row < count_; ++row)
      if (draws(row) && params(row).min_p > 0) weight_[row] = std::min(weight_[row], from_min_p(row));
    find(draws, [&](int64_t row) {
      const double u = uniform(params(row).seed, static_cast<uint64_t>(rows_[row].position));
      return Search::of_weight(std::min(point(u * static_cast<double>(weight_[row]), row), weight_[row] - 1));
    });
    agree_on_ids();
  }

 private:
  const SamplingParams& params(int64_t row) const { return rows_[row].params; }
  // Whether the row is not greedy, or without a token. Equal on all slices, as all that decides which exchanges there are.
  bool drawn(int64_t row) const { return params(row).temperature > 0 && ids_[row] >= 0; }
  int top_k(int64_t row) const { return params(row).top_k < slice_.vocab ? params(row).top_k : 0; }
  // Of the cumulative sum, where rounding must not lead beyond its end.
  uint64_t point(double at, int64_t row) const { return std::min(static_cast<uint64_t>(at), weight_[row]); }
  float* logits(int64_t row) const { return logits_ + row * n_; }

  template <class Fn>
  bool any(const Fn& fn) const {
    for (int64_t row = 0; row < count_; ++row)
      if (fn(row)) return true;
    return false;
  }
  template <class Fn>
  void each_row(const Fn& fn) const {
    context_.pool.parallel_for(count_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) fn(row);
    });
  }
  // fn(row, begin, end) for pieces of the slice of the rows that want it.
  template <class Wants, class Fn>
  void each_piece(const Wants& wants, const Fn& fn) const {
    constexpr int64_t kPiece = 16384;
    const int64_t pieces = (n_ + kPiece - 1) / kPiece;
    context_.pool.parallel_for(count_ * pieces, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i)
        if (wants(i / pieces)) fn(i / pieces, i % pieces * kPiece, std::min(n_, (i % pieces + 1) * kPiece));
    });
  }
  template <class T>
  void gather(T* all, const T* own, int64_t n) const {
    slice_.gather(std::as_writable_bytes(std::span(all, static_cast<size_t>(n * slice_.slices))),
                  std::as_bytes(std::span(own, static_cast<size_t>(n))));
  }

  // Penalties, then every row's largest; what is drawn becomes distances from it.
  void greedy() {
    const Arena::Scope scope(context_.workspace);
    Best* own = context_.workspace.array<Best>(count_);
    Best* all = context_.workspace.array<Best>(count_ * slice_.slices);
    each_row([&](int64_t row) {
      own[row] = best_of(logits(row), n_, slice_.first);
      if (own[row].id < 0 || !params(row).penalises()) return;
      for (const SeenToken& seen : rows_[row].seen)
        if (const int64_t i = seen.id - slice_.first; i >= 0 && i < n_)
          logits(row)[i] = penalise(logits(row)[i], params(row), seen.generated);
      own[row] = best_of(logits(row), n_, slice_.first);
    });
    gather(all, own, count_);
    each_row([&](int64_t row) {
      Best best;
      for (int s = 0; s < slice_.slices; ++s) {
        const Best& of_slice = all[s * count_ + row];
        if (of_slice.id < 0 || (best.id >= 0 && of_slice.value > best.value)) best = of_slice;
      }
      ids_[row] = best.id;
      if (drawn(row)) HWY_DYNAMIC_DISPATCH(to_distances)(logits(row), n_, best.value, params(row).temperature);
    });
  }

  // Every search begins with the same bins.
  void first_bins() {
    std::fill_n(own_, count_ * kBins, Bin{});
    each_piece([&](int64_t row) { return drawn(row); },
               [&](int64_t row, int64_t begin, int64_t end) {
                 const float* distances = logits(row) + begin;
                 Bin* bins = own_ + row * kBins;
                 HWY_DYNAMIC_DISPATCH(add_to_bins)(distances, end - begin, Search().bins(), scale_, bins);
                 if (const float min_p = params(row).min_p; min_p > 0)
                   bins[kBins - 1].add_atomically(
                       {HWY_DYNAMIC_DISPATCH(weight_from)(distances, end - begin, min_p, scale_), 0});
               });
    gather(first_, own_, count_ * kBins);
    for (int64_t row = 0; row < count_; ++row) {
      weight_[row] = 0;
      for (int s = 0; s < slice_.slices; ++s)
        for (int bin = 0; bin + 1 < kBins; ++bin) weight_[row] += first_[(s * count_ + row) * kBins + bin].weight;
    }
  }
  uint64_t from_min_p(int64_t row) const {
    uint64_t sum = 0;
    for (int s = 0; s < slice_.slices; ++s) sum += first_[(s * count_ + row + 1) * kBins - 1].weight;
    return sum;
  }

  // Searches for `begin(row)` in the rows that want it; what lies behind the token found has no weight from then on.
  template <class Wants, class Begin>
  void find(const Wants& wants, const Begin& begin) {
    if (!any(wants)) return;
    const int64_t stride = count_ * kBins;
    for (int64_t row = 0; row < count_; ++row) {
      if (!wants(row)) continue;
      search_[row] = begin(row);
      search_[row].descend(first_ + row * kBins, stride, slice_);
    }
    for (int level = 1; level < Search::kLevels; ++level) {
      std::fill_n(own_, stride, Bin{});
      each_piece(wants, [&](int64_t row, int64_t begin, int64_t end) {
        HWY_DYNAMIC_DISPATCH(add_to_bins)(logits(row) + begin, end - begin, search_[row].bins(), scale_, own_ + row * kBins);
      });
      gather(all_, own_, stride);
      for (int64_t row = 0; row < count_; ++row)
        if (wants(row)) search_[row].descend(all_ + row * kBins, stride, slice_);
    }
    for (int64_t row = 0; row < count_; ++row)
      if (wants(row)) weight_[row] = search_[row].through();
  }

  // The slice that holds a row's token tells the others.
  void agree_on_ids() {
    const Arena::Scope scope(context_.workspace);
    int32_t* own = context_.workspace.array<int32_t>(count_);
    int32_t* all = context_.workspace.array<int32_t>(count_ * slice_.slices);
    for (int64_t row = 0; row < count_; ++row) own[row] = drawn(row) ? search_[row].id(logits(row), n_, slice_.first) : -1;
    gather(all, own, count_);
    for (int64_t row = 0; row < count_; ++row) {
      if (!drawn(row)) continue;
      for (int s = 0; s < slice_.slices; ++s)
        if (all[s * count_ + row] >= 0) ids_[row] = all[s * count_ + row];
    }
  }

  int32_t* ids_;
  float* logits_;
  int64_t n_;
  std::span<const SampleRow> rows_;
  const VocabSlice& slice_;
  Context& context_;
  float scale_;
  int64_t count_;
  Bin *own_, *first_, *all_;
  Search* search_;
  uint64_t* weight_;  // of each row: the sum over the tokens that the filters left
};

}  // namespace

void sample(Tensor ids, Tensor logits, std::span<const SampleRow> rows, const VocabSlice& slice, Context& context) {
  const Arena::Scope scope(context.workspace);
  Draws(ids, logits, rows, slice, context).run();
}

}  // namespace cpu

int64_t sample_workspace(int64_t rows, int slices) {
  const auto array = [&](int64_t n, size_t size) { return Arena::padded(n * static_cast<int64_t>(size)); };
  const int64_t bins = rows * cpu::kBins;
  return array(bins, sizeof(Bin)) + 2 * array(bins * slices, sizeof(Bin)) + array(rows, sizeof(cpu::Search)) +
         array(rows, sizeof(uint64_t)) + array(rows, sizeof(cpu::Best)) + array(rows * slices, sizeof(cpu::Best));
}

}  // namespace weft
#endif
