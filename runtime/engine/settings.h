#pragma once
// EngineConfig's `auto` and 0 values resolved against the model, the machine and the other ranks.
#include "kernels/core/dtype.h"
#include "kernels/core/host_limits.h"
#include "parallel/communicator.h"
#include "parallel/mesh.h"
#include "runtime/engine/agree.h"
#include "runtime/engine/config.h"
#include "runtime/engine/kv_cache.h"
#include "runtime/models/model.h"
#include "runtime/weights/loader.h"

namespace weft {

struct Settings {
  Mesh mesh;
  Arithmetic arithmetic = Arithmetic::f32;
  DType kv_dtype = DType::f32;
  int threads = 1;
  int64_t max_model_len = 0;
  int max_seqs = 1;
  int block_size = 32;
  int64_t kv_blocks = 0;  // the minimum over ranks
  Loaded loaded;          // of all ranks together
  StepLimits limits;
};

// Refuses values outside what any model allows; looks at nothing but the flags.
void check_config(const EngineConfig& config);

// The sentence about a context longer than the model was trained for; empty if there is nothing to say.
std::string beyond_training(int64_t max_model_len, const ModelInfo& model);
// What is taken where nobody asks: the trained length, at most 8192.
int64_t default_model_len(const ModelInfo& model);

// All but threads and kv_blocks.
Settings resolve(const EngineConfig& config, const ModelInfo& model, const Checkpoint& checkpoint, int world, int rank);

// What must be equal on all ranks, by its flag.
Traits traits(const Settings& settings);

// q8 for quantised weights, else the type most weight bytes are stored in.
Arithmetic default_arithmetic(const Checkpoint& checkpoint);
DType default_kv_dtype(Arithmetic arithmetic);

// This rank's threads: those asked for (with a warning if there are fewer CPUs), else its share of the CPUs:
// those of its affinity mask, divided by the number of ranks that have the same mask on the same host, and no
// more than its share, among all ranks of the host, of what the cgroup's quota pays for. A collective.
int resolve_threads(int requested, HostComm& host);

// Every number divided by the ranks of this machine.
MemoryLimit share_of(MemoryLimit limit, int local_size);

// What a rank does not take of `memory` bytes: for what grows beside (MPI, page tables, the coordinator).
int64_t left_to_others(int64_t memory);

// Refuses weights that are larger than what is available of `share`.
void check_weights_fit(int64_t bytes, const MemoryLimit& share);

// Blocks this rank has memory for beside the `taken` bytes of its weights and workspace: those of kv_memory,
// else what max_seqs sequences of max_model_len need, at most a quarter of the share. Refuses what is not there.
int64_t affordable_blocks(const EngineConfig& config, const Settings& settings, const KvShape& shape,
                          const MemoryLimit& share, int64_t taken);

// Cuts max_model_len to what the blocks hold; refuses when the user asked for more.
void fit_model_len(Settings& settings, const EngineConfig& config);

}  // namespace weft
