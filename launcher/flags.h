#pragma once
// Flags several commands share, each defined once.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/sample/sample.h"
#include "parallel/mesh.h"
#include "runtime/engine/config.h"

namespace CLI {
class App;
}

namespace weft {

// `bench model` calls its prompt length --pp; there the number of pipeline stages is --stages.
void add_mesh_flags(CLI::App& command, MeshRequest& mesh, const char* pp_flag = "--pp");
// Mesh flags, and --dtype ... --block-size.
void add_engine_flags(CLI::App& command, EngineConfig& config, const char* pp_flag = "--pp");
// All of SamplingParams but the seed, which is left empty if none is given.
void add_sampling_flags(CLI::App& command, SamplingParams& sampling, std::optional<uint64_t>& seed,
                        std::vector<std::string>& stop);
void add_log_level(CLI::App& command, std::string& level);

}  // namespace weft
