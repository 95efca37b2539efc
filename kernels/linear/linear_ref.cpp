// The definition in plain loops and double precision.
#include <vector>

#include "kernels/linear/linear.h"
#include "kernels/quant/quant.h"

namespace weft::ref {
namespace {

float round_to(Arithmetic a, float x) {
  switch (a) {
    case Arithmetic::bf16: return bf16_to_f32(f32_to_bf16(x));
    case Arithmetic::f16: return f16_to_f32(f32_to_f16(x));
    default: return x;
  }
}

// Columns [begin, end) of a row, quantised in blocks cut at multiples of 32 stored columns, and back.
void fake_quantise(const float* x, int64_t begin, int64_t end, int64_t k_offset, float* out) {
  while (begin < end) {
    const int64_t cut = std::min(end, (begin + k_offset) / 32 * 32 + 32 - k_offset);
    int8_t q[32];
    const int n = static_cast<int>(cut - begin);
    const float d = quant::quantize_activation(x + begin, n, q);
    for (int i = 0; i < n; ++i) out[begin + i] = d * static_cast<float>(q[i]);
    begin = cut;
  }
}

std::vector<float> rounded_row(const float* x, const PackedMatrix& w, const KPlan& plan, Arithmetic a) {
  std::vector<float> row(static_cast<size_t>(w.k()));
  for (const KPlan::Step& step : plan.steps) {
    if (a == Arithmetic::q8) {
      fake_quantise(x, step.k_begin, step.k_end, w.k_offset(), row.data());
    } else {
      for (int64_t k = step.k_begin; k < step.k_end; ++k) row[static_cast<size_t>(k)] = round_to(a, x[k]);
    }
  }
  return row;
}

// The plan's outputs for one row of x and one of w.
std::vector<double> run_plan(const KPlan& plan, const float* x, const float* w) {
  std::vector<double> outputs(static_cast<size_t>(plan.outputs)), stack;
  for (const KPlan::Step& step : plan.steps) {
    double sum = 0;
    for (int64_t k = step.k_begin; k < step.k_end; ++k) sum += double{x[k]} * double{w[k]};
    stack.push_back(sum);
    for (int i = 0; i < step.merges; ++i) {
      const double top = stack.back();
      stack.pop_back();
      stack.back() += top;
    }
    if (step.out >= 0) {
      outputs[static_cast<size_t>(step.out)] = stack.back();
      stack.pop_back();
    }
  }
  return outputs;
}

}  // namespace

void linear(Tensor y, Tensor x, const PackedMatrix& w, const KPlan& plan, Arithmetic a, Context&) {
  const int64_t rows = x.dim(0), y_row = y.stride[y.rank - 2], y_output = y.rank == 3 ? y.stride[0] : 0;
  std::vector<std::vector<float>> inputs;
  for (int64_t m = 0; m < rows; ++m) inputs.push_back(rounded_row(x.as<float>() + m * x.stride[0], w, plan, a));
  std::vector<float> weights(static_cast<size_t>(w.k()));
  for (int64_t n = 0; n < w.n(); ++n) {
    w.unpack_row(n, weights.data());
    for (int64_t m = 0; m < rows; ++m) {
      const std::vector<double> sums = run_plan(plan, inputs[static_cast<size_t>(m)].data(), weights.data());
      for (size_t i = 0; i < sums.size(); ++i)
        y.as<float>()[static_cast<int64_t>(i) * y_output + m * y_row + n] =
            static_cast<float>(sums[i] + (w.bias() ? double{w.bias()[n]} : 0.0));
    }
  }
}

void grouped_linear(Tensor y, Tensor x, std::span<const PackedMatrix> w, Tensor row_offsets, const KPlan& plan, Arithmetic a,
                    Context& context) {
  for (size_t e = 0; e < w.size(); ++e) {
    const int64_t begin = row_offsets.as<int32_t>()[e], end = row_offsets.as<int32_t>()[e + 1];
    if (begin == end) continue;
    Tensor part = y;  // rows are dimension rank - 2
    part.data += begin * y.stride[y.rank - 2] * static_cast<int64_t>(sizeof(float));
    part.shape[y.rank - 2] = end - begin;
    ref::linear(part, x.slice(begin, end), w[e], plan, a, context);
  }
}

}  // namespace weft::ref
