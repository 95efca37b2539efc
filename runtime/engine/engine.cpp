#include "runtime/engine/engine.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <sstream>
#include <thread>

#include "kernels/core/log.h"
#include "runtime/engine/agree.h"
#include "runtime/engine/settings.h"
#include "runtime/engine/step_engine.h"
#include "runtime/weights/file_traits.h"
#include "runtime/weights/tied_head.h"

namespace weft {
namespace {

// A rank's share of what is free, waiting a moment for `needed` bytes: a job that was just killed may still hold its memory.
MemoryLimit free_share(int64_t needed, int local_size) {
  for (int tries = 0;; ++tries) {
    MemoryLimit share = share_of(memory_limit(), local_size);
    if (share.available >= needed || tries == 30) return share;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void log_settings(const std::string& path, const EngineInfo& info, const ModelInfo& model, bool head_differs,
                  const MemoryLimit& share) {
  log_info(path, " (", model.model_type, "): ", info.mesh.describe(), ", ", info.threads, " threads a rank, arithmetic ",
           name(info.arithmetic));
  if (head_differs) log_warn(kHeadDiffers);
  if (const std::string warning = beyond_training(info.max_model_len, model); !warning.empty()) log_warn(warning);
  log_info("max-model-len ", info.max_model_len, " (the model's own: ", model.trained_length, "), KV cache ",
           name(info.kv_dtype), ": ", info.kv_blocks, " blocks of ", info.block_size);
  log_info("memory of rank 0: ", info.weight_bytes >> 20, " MiB weights, ", info.workspace_bytes >> 20,
           " MiB workspace, up to ", info.kv_bytes >> 20, " MiB KV cache; its share of ", share.source, ": ",
           share.limit >> 20, " MiB, of which ", share.available >> 20, " were available");
  log_debug("all ranks read ", info.loaded.read, " bytes of the checkpoint's tensors and kept ", info.loaded.kept);
}

}  // namespace

std::string not_finite(int64_t tokens, const EngineInfo& info) {
  return cat("the model's logits after ", tokens, tokens == 1 ? " token" : " tokens",
             " are not finite: its weights hold NaN, infinity or values too large for --dtype ", name(info.arithmetic));
}

std::unique_ptr<Engine> Engine::create(const std::string& model_path, const EngineConfig& config, RankComm comm,
                                       const Prepare& prepare) {
  HostComm& host = *comm.host;
  std::unique_ptr<Checkpoint> checkpoint;
  std::optional<ModelFiles> files;
  std::optional<Loader> loader;
  std::optional<Model> model;
  Settings settings;
  MemoryLimit share;  // measured before any rank takes memory
  Traits of_files;
  agree(host, [&] {
    check_config(config);
    checkpoint = Checkpoint::open(model_path);
    if (host.size() > 1) of_files = file_traits(*checkpoint);
    return std::string();
  });
  require_equal(host, of_files);
  agree(host, [&] {
    files.emplace(ModelFiles::read(*checkpoint));
    const ModelInfo info = info_of(*files);
    settings = resolve(config, info, *checkpoint, host.size(), host.rank());
    if (prepare && host.rank() == 0) prepare(info, settings.max_model_len);
    loader.emplace(settings.mesh, files->tensors.get());
    model = make_model(*loader, *files);
    loader->check(files->model_type);
    const int64_t weights = loader->weight_bytes(host.rank());
    share = free_share(weights, comm.local_size);
    check_weights_fit(weights, share);
    return std::string();
  });
  require_equal(host, traits(settings));
  settings.threads = resolve_threads(config.threads, host);

  std::unique_ptr<ThreadPool> pool;
  const std::vector<std::string> of_ranks = agree(host, [&] {
    pool = std::make_unique<ThreadPool>(settings.threads, place_threads(settings.threads, comm.local_rank, comm.local_size));
    const Loaded loaded = loader->read(*model->weights, *pool);
    const int64_t taken = model->weights->bytes() + workspace_bytes(*model, settings, *pool);
    const KvShape shape{model->paged, settings.block_size, settings.kv_dtype};
    return cat(affordable_blocks(config, settings, shape, share, taken), " ", loaded.read, " ", loaded.kept);
  });
  const bool head_differs = files->head_differs;
  loader.reset(), files.reset(), checkpoint.reset();

  std::unique_ptr<Engine> engine;
  agree(host, [&] {
    settings.kv_blocks = std::numeric_limits<int64_t>::max();
    for (const std::string& of_rank : of_ranks) {
      int64_t blocks = 0, read = 0, kept = 0;
      std::istringstream(of_rank) >> blocks >> read >> kept;
      settings.kv_blocks = std::min(settings.kv_blocks, blocks);
      settings.loaded.read += read, settings.loaded.kept += kept;
    }
    fit_model_len(settings, config);
    engine = std::make_unique<StepEngine>(std::move(*model), std::move(pool), settings, std::move(comm));
    return std::string();
  });
  if (engine->info().mesh.leads()) log_settings(model_path, engine->info(), engine->model(), head_differs, share);
  return engine;
}

}  // namespace weft
