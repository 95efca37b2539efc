#include "kernels/linear/linear.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

// The stack stays within its declared height and every output is stored once.
void check_plan(const KPlan& plan, int64_t k) {
  WEFT_CHECK(plan.outputs >= 1 && plan.max_depth >= 1 && plan.max_depth <= 16, plan.outputs, " outputs, depth ",
             plan.max_depth);
  int depth = 0, stored = 0;
  for (const KPlan::Step& step : plan.steps) {
    WEFT_CHECK(0 <= step.k_begin && step.k_begin <= step.k_end && step.k_end <= k, "step [", step.k_begin, ", ", step.k_end,
               ") of ", k, " columns");
    ++depth;
    WEFT_CHECK(depth <= plan.max_depth && step.merges >= 0 && step.merges < depth, step.merges, " merges of ", depth);
    depth -= step.merges;
    WEFT_CHECK(step.out < plan.outputs, "output ", step.out, " of ", plan.outputs);
    if (step.out >= 0) --depth, ++stored;
  }
  WEFT_CHECK(depth == 0 && stored == plan.outputs, "plan stores ", stored, " of ", plan.outputs, " outputs, leaves ", depth);
}

bool overlap(const Tensor& a, const Tensor& b) {
  const auto end = [](const Tensor& t) {
    int64_t last = 0;
    for (int i = 0; i < t.rank; ++i) last += (t.shape[i] - 1) * t.stride[i];
    return t.data + (last + 1) * static_cast<int64_t>(sizeof(float));
  };
  return a.elements() > 0 && b.elements() > 0 && a.data < end(b) && b.data < end(a);
}

void check_shapes(const Tensor& y, const Tensor& x, const PackedMatrix& w, const KPlan& plan) {
  WEFT_CHECK(x.dtype == DType::f32 && x.rank == 2 && x.dim(1) == w.k() && x.stride[1] == 1, "x is ", x.describe(),
             ", wanted rows of ", w.k());
  const bool one = plan.outputs == 1 && y.rank == 2;
  WEFT_CHECK(y.dtype == DType::f32 && (one || (y.rank == 3 && y.dim(0) == plan.outputs)) && y.dim(-1) == w.n() &&
                 y.dim(-2) == x.dim(0) && y.stride[y.rank - 1] == 1,
             "y is ", y.describe(), ", wanted (", plan.outputs, ", ", x.dim(0), ", ", w.n(), ")");
  WEFT_CHECK(!overlap(x, y), "y ", y.describe(), " aliases x ", x.describe());
  WEFT_CHECK(!w.bias() || plan.outputs == 1, "bias with ", plan.outputs, " partial sums");
}

}  // namespace

void linear(Tensor y, Tensor x, const PackedMatrix& w, const KPlan& plan, Arithmetic a, Context& context) {
  check_shapes(y, x, w, plan);
  check_plan(plan, w.k());
  run<cpu::linear>("linear", y, linear_workspace(x.dim(0), w.k(), plan, a, context.pool.threads()), context, y, x, w, plan, a);
}

void grouped_linear(Tensor y, Tensor x, std::span<const PackedMatrix> w, Tensor row_offsets, const KPlan& plan, Arithmetic a,
                    Context& context) {
  WEFT_CHECK(row_offsets.rank == 1 && row_offsets.dtype == DType::i32 && row_offsets.dim(0) == std::ssize(w) + 1,
             "row offsets are ", row_offsets.describe(), " for ", w.size(), " groups");
  for (size_t e = 0; e < w.size(); ++e) {
    check_shapes(y, x, w[e], plan);
    WEFT_CHECK(w[e].k_offset() == w[0].k_offset() && w[e].segments().size() == w[0].segments().size(), "expert ", e,
               " differs in layout");
    for (size_t s = 0; s < w[e].segments().size(); ++s) WEFT_CHECK_EQ(w[e].segments()[s].n_rows, w[0].segments()[s].n_rows);
  }
  if (w.empty()) return;
  check_plan(plan, w[0].k());
  run<cpu::grouped_linear>("grouped_linear", y, linear_workspace(x.dim(0), w[0].k(), plan, a, context.pool.threads()), context, y, x, w,
                           row_offsets, plan, a);
}

}  // namespace weft
