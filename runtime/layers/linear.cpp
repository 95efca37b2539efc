#include "kernels/rms_norm/rms_norm.h"
#include "runtime/layers/layers.h"

namespace weft {

Norm::Norm(const Build& at, const NormForm& form)
    : weight_(at.as("norms", cat("RMSNorm eps ", form.eps)).vector("weight", Dim::whole(form.size))), eps_(form.eps) {}

Lane Norm::operator()(Stream& h) const {
  Context& context = h.step().p.context;
  if (std::optional<Lane> y = h.take_pending()) {
    add_rms_norm(*y, h.sum(), *y, weight_->view(), eps_, context);
    return std::move(*y);
  }
  Lane out = h.lane();
  rms_norm(out, h.sum(), weight_->view(), eps_, context);
  return out;
}

ColumnParallel::ColumnParallel(const Build& at, const std::vector<Part>& parts, int64_t in)
    : weight_(at.matrix(parts, Dim::whole(in))), columns_(0) {
  for (const Part& part : parts) columns_ += part.rows.n();
}

Tensor ColumnParallel::operator()(Tensor x, Step& s) const {
  Tensor y = s.arena().tensor(DType::f32, {x.dim(0), columns_});
  column_parallel(y, x, *weight_, s.p);
  return y;
}

RowParallel::RowParallel(const Build& at, const std::string& module, const Dim& in, int64_t out, bool bias)
    : weight_(at.matrix({part(module, Dim::whole(out))}, in)), sum_(in.sum()) {
  if (bias) bias_ = at.vector(module + ".bias", Dim::whole(out));
}

void RowParallel::operator()(Tensor out, Tensor x, Step& s) const {
  row_parallel(out, x, *weight_, sum_, bias_ ? bias_->view() : Tensor(), s.shard, s.p);
}

}  // namespace weft
