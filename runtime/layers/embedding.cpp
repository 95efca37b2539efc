#include "kernels/core/check.h"
#include "kernels/moe_permute/moe_permute.h"
#include "runtime/layers/layers.h"

namespace weft {

Embedding::Embedding(const Build& at, const std::string& name, int64_t vocab, int64_t hidden)
    : Embedding(at.as("embedding", cat(vocab, " tokens of ", hidden)), name, at.vocab(vocab), hidden) {}

Embedding::Embedding(const Build& b, const std::string& name, const Dim& vocab, int64_t hidden)
    : held_(vocab.own()), sum_(vocab.sum_of_ranks()), table_(b.matrix({part(name, vocab)}, Dim::whole(hidden))) {}

void Embedding::operator()(Tensor out, Step& s) const { vocab_embed(out, s.in.ids, *table_, held_, sum_, s.shard, s.p); }

Head::Head(const Build& at, const std::string& name, int64_t vocab, int64_t hidden)
    : weight_(at.as("head", cat(vocab, " tokens")).matrix({part(name, at.vocab(vocab))}, Dim::whole(hidden))) {}

void Head::operator()(const Lane& x) const {
  Step& s = x.step();
  const Arena::Scope scope(s.arena());
  const Tensor all = s.all_tokens(x);
  const int64_t rows = s.in.logit_rows.dim(0), hidden = all.dim(1);
  if (rows == 0) return;
  Tensor wanted = s.arena().tensor(DType::f32, {rows, hidden});
  moe_permute(wanted, all, s.in.logit_rows, 1, s.p.context);
  column_parallel(s.logits, wanted, *weight_, s.p);
}

}  // namespace weft
