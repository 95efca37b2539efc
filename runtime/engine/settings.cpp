#include "runtime/engine/settings.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "kernels/core/thread_pool.h"

namespace weft {
namespace {

constexpr int64_t kDefaultModelLen = 8192;
constexpr int64_t kScoreRows = 64;  // logit rows of a step that score() may ask for, whatever max_seqs is

void check_range(const char* flag, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    bad_input(flag, " is ", value, "; it must be between ", low, " and ", high);
}

// Of the running kernel: host names may be equal on different machines, and differ in containers of one.
std::string machine_identity() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

std::string affinity() {
  std::string cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) cpus += cat(" ", cpu);
  return cpus;
}

int64_t mib(int64_t bytes) { return bytes >> 20; }

}  // namespace

void check_config(const EngineConfig& config) {
  check_range("--threads", config.threads, 0, 4096);
  check_range("--max-model-len", config.max_model_len, 0, int64_t{1} << 30);
  check_range("--max-seqs", config.max_seqs, 1, 65536);
  check_range("--max-batch-tokens", config.max_batch_tokens, 1, 1 << 20);
  check_range("--expert-capacity", config.expert_capacity, 0, int64_t{1} << 30);
  check_range("--kv-memory", config.kv_memory, 0, int64_t{1} << 50);
  check_range("--block-size", config.block_size, 16, 1024);
  if (config.block_size % 16 != 0)
    bad_input("--block-size is ", config.block_size, "; it must be a multiple of 16");
  if (config.device == "cuda") bad_input("--device cuda: this build has no CUDA backend; use cpu");
  if (config.device != "auto" && config.device != "cpu")
    bad_input("--device is '", config.device, "'; it must be auto or cpu");
}

Arithmetic default_arithmetic(const Checkpoint& checkpoint) {
  std::map<DType, int64_t> bytes;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (is_quantised(tensor.dtype)) return Arithmetic::q8;
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) elements *= dim;
    bytes[tensor.dtype] += dtype_bytes(tensor.dtype, elements);
  }
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  if (most == bytes.end()) return Arithmetic::f32;
  return most->first == DType::bf16  ? Arithmetic::bf16
         : most->first == DType::f16 ? Arithmetic::f16
                                     : Arithmetic::f32;
}

DType default_kv_dtype(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::f32:
      return DType::f32;
    case Arithmetic::bf16:
      return DType::bf16;
    default:
      return DType::f16;
  }
}

std::string beyond_training(int64_t max_model_len, const ModelInfo& model) {
  const int64_t trained = model.trained_length;
  if (max_model_len <= trained) return "";
  return cat("--max-model-len ", max_model_len, " is beyond the ", trained,
             " tokens that the model was trained for; answers get worse there");
}

int64_t default_model_len(const ModelInfo& model) { return std::min(model.trained_length, kDefaultModelLen); }

Settings resolve(const EngineConfig& config, const ModelInfo& model, const Checkpoint& checkpoint,
                 int world, int rank) {
  Settings s;
  s.mesh = Mesh::make(world, rank, config.mesh, model.max_tp, model.n_experts);
  if (config.dtype == "auto") {
    s.arithmetic = default_arithmetic(checkpoint);
  } else {
    const auto arithmetic = parse_arithmetic(config.dtype);
    if (!arithmetic) bad_input("--dtype is '", config.dtype, "'; it must be auto, f32, bf16, f16 or q8");
    s.arithmetic = *arithmetic;
  }
  if (config.kv_dtype == "auto") {
    s.kv_dtype = default_kv_dtype(s.arithmetic);
  } else {
    const auto kv = parse_dtype(config.kv_dtype);
    if (!kv || (*kv != DType::f32 && *kv != DType::f16 && *kv != DType::bf16))
      bad_input("--kv-dtype is '", config.kv_dtype, "'; it must be auto, f32, f16 or bf16");
    s.kv_dtype = *kv;
  }
  s.max_model_len = config.max_model_len;
  if (s.max_model_len == 0) s.max_model_len = default_model_len(model);
  s.max_seqs = config.max_seqs;
  s.block_size = config.block_size;
  s.limits.max_tokens = config.max_batch_tokens;
  s.limits.expert_capacity = config.expert_capacity;
  if (model.n_experts > 0 && config.expert_capacity == 0)
    s.limits.expert_capacity = default_expert_capacity(s.limits.max_tokens, s.max_seqs, model.experts_per_token,
                                                       ExpertPlacement::of(s.mesh, model.n_experts));
  s.limits.max_rows = std::min(s.limits.max_tokens, std::max<int64_t>(s.max_seqs, kScoreRows));
  return s;
}

Traits traits(const Settings& s) {
  return {{"the mesh", s.mesh.describe()},
          {"--dtype", name(s.arithmetic)},
          {"--kv-dtype", name(s.kv_dtype)},
          {"--max-model-len", cat(s.max_model_len)},
          {"--max-seqs", cat(s.max_seqs)},
          {"--max-batch-tokens", cat(s.limits.max_tokens)},
          {"--expert-capacity", cat(s.limits.expert_capacity)},
          {"--block-size", cat(s.block_size)}};
}

int resolve_threads(int requested, HostComm& host) {
  const std::string machine = machine_identity() + "\n", mine = machine + affinity();
  const std::vector<std::string> all = host.all_gather(mine);
  const auto ranks = [&](auto like_mine) { return static_cast<int>(std::count_if(all.begin(), all.end(), like_mine)); };
  const int same_cpus = ranks([&](const std::string& rank) { return rank == mine; });
  const int same_quota = ranks([&](const std::string& rank) { return rank.starts_with(machine); });
  const int cpus = available_cpus();
  if (requested == 0) return std::max(1, std::min(affinity_cpus() / same_cpus, cpus / same_quota));
  if (requested > cpus) log_warn(requested, " threads asked for on ", cpus, " CPUs; they will wait for each other");
  return requested;
}

MemoryLimit share_of(MemoryLimit limit, int local_size) {
  limit.limit /= local_size;
  limit.available /= local_size;
  return limit;
}

int64_t left_to_others(int64_t memory) { return std::min<int64_t>(memory / 16, 256 << 20); }

void check_weights_fit(int64_t bytes, const MemoryLimit& share) {
  if (bytes > share.available)
    bad_input("the weights take ", mib(bytes), " MiB a rank; a rank's share of ", share.source, " is ", mib(share.limit),
              " MiB, of which ", mib(share.available), " are free");
}

int64_t affordable_blocks(const EngineConfig& config, const Settings& s, const KvShape& shape, const MemoryLimit& share,
                          int64_t taken) {
  const int64_t room = share.available - taken - left_to_others(share.limit);
  const auto refuse = [&](const auto&... wish) {
    bad_input(wish..., "; a rank's share of ", share.source, " is ", mib(share.limit), " MiB, and beside ", mib(taken),
              " MiB of weights and workspace ", mib(std::max<int64_t>(room, 0)), " are free");
  };
  if (config.kv_memory > room) refuse("--kv-memory asks for ", mib(config.kv_memory), " MiB a rank");
  if (room < shape.block_bytes()) refuse("a KV block takes ", shape.block_bytes(), " bytes");
  const int64_t wanted = s.max_seqs * ((s.max_model_len + s.block_size - 1) / s.block_size);
  const int64_t bytes = config.kv_memory > 0 ? config.kv_memory : std::min(share.limit / 4, room);
  const int64_t blocks = bytes / shape.block_bytes();
  if (blocks == 0) bad_input("--kv-memory: ", bytes, " bytes hold no block; one needs ", shape.block_bytes());
  const int64_t addressable = (int64_t{1} << 31) / s.block_size;  // slots are i32
  return std::min({config.kv_memory > 0 ? blocks : wanted, blocks, addressable});
}

void fit_model_len(Settings& s, const EngineConfig& config) {
  const int64_t room = s.kv_blocks * s.block_size;
  if (room >= s.max_model_len) return;
  if (config.max_model_len > 0)
    bad_input("--max-model-len ", s.max_model_len, " does not fit the KV cache, which holds ", room,
              " positions; raise --kv-memory or lower --max-model-len");
  log_warn("the KV cache holds ", room, " positions: max-model-len is ", room, " instead of ", s.max_model_len);
  s.max_model_len = room;
}

}  // namespace weft
