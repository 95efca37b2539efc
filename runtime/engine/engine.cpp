#include "runtime/engine/engine.h"

#include <algorithm>

#include "kernels/core/log.h"
#include "runtime/engine/agree.h"
#include "runtime/engine/settings.h"
#include "runtime/engine/step_engine.h"
#include "runtime/weights/tied_head.h"

namespace weft {
namespace {

void log_settings(const std::string& path, const EngineInfo& info, const ModelConfig& config) {
  log_info(path, " (", config.model_type, "): ", info.mesh.describe(), ", ", info.threads, " threads a rank, arithmetic ",
           name(info.arithmetic), ", ", info.weight_bytes >> 20, " MiB weights on rank 0");
  if (config.head_differs) log_warn(kHeadDiffers);
  log_info("max-model-len ", info.max_model_len, " (the model's own: ", config.max_position_embeddings, "), KV cache ",
           name(info.kv_dtype), ": ", info.kv_blocks, " blocks of ", info.block_size, ", up to ", info.kv_bytes >> 20,
           " MiB on rank 0");
}

}  // namespace

std::string not_finite(int64_t tokens, const EngineInfo& info) {
  return cat("the model's logits after ", tokens, tokens == 1 ? " token" : " tokens",
             " are not finite: its weights hold NaN, infinity or values too large for --dtype ", name(info.arithmetic));
}

std::unique_ptr<Engine> Engine::create(const std::string& model_path, const EngineConfig& config,
                                       RankComm comm) {
  HostComm& host = *comm.host;
  std::unique_ptr<Checkpoint> checkpoint;
  ModelConfig model_config;
  Settings settings;
  agree(host, [&] {
    check_config(config);
    checkpoint = Checkpoint::open(model_path);
    model_config = read_model_config(*checkpoint);
    settings = resolve(config, model_config, *checkpoint, host.size(), host.rank());
    return std::string();
  });
  settings.threads = resolve_threads(config.threads, host);

  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Model> model;
  const std::vector<std::string> blocks = agree(host, [&] {
    pool = std::make_unique<ThreadPool>(settings.threads,
                                        place_threads(settings.threads, comm.local_rank, comm.local_size));
    model = Model::load(*checkpoint, model_config, settings.mesh, *pool);
    checkpoint.reset();
    const KvShape shape{model_config.n_layers, model->kv_heads(), model_config.head_dim, settings.block_size,
                        settings.kv_dtype};
    return std::to_string(affordable_blocks(config, settings, shape, comm.local_size));
  });

  std::unique_ptr<Engine> engine;
  agree(host, [&] {
    settings.kv_blocks = std::stoll(blocks[0]);
    for (const std::string& n : blocks)
      settings.kv_blocks = std::min<int64_t>(settings.kv_blocks, std::stoll(n));
    fit_model_len(settings, config);
    engine = std::make_unique<StepEngine>(std::move(model), std::move(pool), settings, std::move(comm));
    return std::string();
  });
  if (engine->info().mesh.rank == 0) log_settings(model_path, engine->info(), engine->model());
  return engine;
}

}  // namespace weft
