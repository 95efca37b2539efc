#pragma once
// What the dispatchers of all ops share.
#include <algorithm>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// How an op runs once its dispatcher has checked the arguments: by the body of the backend where `out` lies, which takes `scratch`
// bytes of workspace at most. Every run takes these, whatever the body needs of them, so that a step's memory does not hang on its
// values; a dry one runs nothing.
//   run<cpu::rope>("rope", x, 0, context, x, cos_sin, pairing);
template <auto cpu_body, class... Args>
void run(const char* op, const Tensor& out, int64_t scratch, Context& context, const Args&... args) {
  if (out.device != Device::cpu) bad_input(op, ": output is on a CUDA device, but this build has only the CPU backend");
  context.workspace.touch(scratch);
  if (context.dry()) return;
  cpu_body(args..., context);
}

// Rows to hand a thread at a time: so many that waking it pays (about 10 us of work).
inline int64_t rows_per_task(int64_t elements_per_row) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, elements_per_row));
}

}  // namespace weft
