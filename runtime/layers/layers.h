#pragma once
// The modules of a transformer. Each declares its weights and memory once, in its constructor, and is called on this rank's own
// rows of the stream. What lies between, tensor-parallel columns and rows and the exchange of experts, is parallel/'s business.
#include <optional>
#include <vector>

#include "runtime/layers/forms.h"
#include "runtime/layers/stream.h"

namespace weft {

// RMSNorm.
class Norm {
 public:
  Norm(const Build& at, const NormForm& form);
  [[nodiscard]] Lane operator()(Stream& h) const;  // of h plus what is pending
 private:
  const Vector* weight_;
  float eps_;
};

// y = x w^T + bias: this rank's columns of the output.
class ColumnParallel {
 public:
  ColumnParallel(const Build& at, const std::vector<Part>& parts, int64_t in);
  Tensor operator()(Tensor x, Step& s) const;  // (rows, own columns), in the workspace
 private:
  const PackedMatrix* weight_;
  int64_t columns_;
};

// The sum over all ranks' columns of x w^T, then + bias.
class RowParallel {
 public:
  RowParallel(const Build& at, const std::string& module, const Dim& in, int64_t out, bool bias);
  void operator()(Tensor out_own_rows, Tensor x, Step& s) const;
 private:
  const PackedMatrix* weight_;
  SplitSum sum_;
  const Vector* bias_ = nullptr;
};

// softmax(q k^T / sqrt(head_dim)) v over the paged cache, which gets this step's k and v first. MHA, GQA and MQA by its form.
class Attention {
 public:
  Attention(const Build& at, const AttentionForm& form);
  [[nodiscard]] Lane operator()(const Lane& x) const;
 private:
  Attention(const Build& b, const AttentionForm& form, const Dim& q);

  AttentionForm f_;
  Dim q_, kv_;
  std::vector<HeadGroup> groups_;
  ColumnParallel qkv_;
  RowParallel o_;
  const Vector* q_norm_ = nullptr;
  const Vector* k_norm_ = nullptr;
  CacheId cache_;
  TableId table_;
  ScheduleId schedule_;
};

// down(silu(gate x) * up x)
class Mlp {
 public:
  Mlp(const Build& at, const MlpForm& form);
  [[nodiscard]] Lane operator()(const Lane& x) const;
 private:
  Mlp(const Build& b, const MlpForm& form, const Dim& width);

  ColumnParallel gate_up_;
  RowParallel down_;
};

// The sum over the k experts that the router chose of weight * expert(x); each expert is an MLP.
class Moe {
 public:
  Moe(const Build& at, const MoeForm& form);
  [[nodiscard]] Lane operator()(const Lane& x) const;
 private:
  void run_experts(Tensor y, Tensor x, Tensor offsets, Step& s) const;

  MoeForm f_;
  Copies experts_;
  Dim width_;     // of one expert
  SplitSum sum_;  // along it
  const PackedMatrix* router_;
  const std::vector<PackedMatrix>* gate_up_;
  const std::vector<PackedMatrix>* down_;
  RouterStats* stats_;
};

// Token ids to rows of the stream, and rows to logits over the vocabulary. The two may share their matrix.
class Embedding {
 public:
  Embedding(const Build& at, const std::string& name, int64_t vocab, int64_t hidden);
  void operator()(Tensor out_own_rows, Step& s) const;
 private:
  Embedding(const Build& b, const std::string& name, const Dim& vocab, int64_t hidden);

  Range held_;
  SplitSum sum_;
  const PackedMatrix* table_;
};

class Head {
 public:
  Head(const Build& at, const std::string& name, int64_t vocab, int64_t hidden);
  void operator()(const Lane& x) const;  // writes the step's logits of the rows it wants, this rank's slice of the vocabulary
 private:
  const PackedMatrix* weight_;
};

}  // namespace weft
