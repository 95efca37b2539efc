#pragma once
// What every op gets last: where it runs and the scratch it may use.
#include "kernels/core/buffer.h"
#include "kernels/core/thread_pool.h"

namespace weft {

struct Context {
  ThreadPool& pool;
  Arena& workspace;  // an op takes what its <op>_workspace() declared and gives it back on return
  // Ops check shapes, take and return their scratch, and compute nothing.
  bool dry() const { return workspace.is_measuring(); }
};

}  // namespace weft
