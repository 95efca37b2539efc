#include <cmath>

#include "kernels/rms_norm/rms_norm.h"

namespace weft::ref {

void rms_norm(Tensor out, Tensor x, Tensor weight, float eps, Context&) {
  const int64_t n = x.dim(-1), heads = x.rank == 3 ? x.dim(1) : 1;
  const float* w = weight.as<float>();
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t h = 0; h < heads; ++h) {
      const float* in = x.as<float>() + t * x.stride[0] + h * x.stride[1];
      float* y = out.as<float>() + t * out.stride[0] + h * out.stride[1];
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += double{in[i]} * in[i];
      const double inverse = 1 / std::sqrt(sum / static_cast<double>(n) + eps);
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(in[i] * inverse * w[i]);
    }
}

void add_rms_norm(Tensor out, Tensor residual, Tensor x, Tensor weight, float eps, Context& context) {
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t i = 0; i < x.dim(1); ++i)
      residual.as<float>()[t * residual.stride[0] + i] += x.as<float>()[t * x.stride[0] + i];
  ref::rms_norm(out, residual, weight, eps, context);
}

}  // namespace weft::ref
