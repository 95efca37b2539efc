#pragma once
// What a model is, from its files: the config as its class reads it, and what only the tensors say.
#include <memory>
#include <string>

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/config_reader.h"
#include "runtime/weights/named_tensors.h"

namespace weft {

struct ModelFiles {
  std::string model_type;
  ConfigReader config;                    // resolve_config(), and of a checkpoint what only its tensors say
  ConfigReader generation;                // generation_config.json
  bool head_differs = false;              // the config ties the head, the checkpoint does not: tie_word_embeddings is false
  std::unique_ptr<NamedTensors> tensors;  // none without a checkpoint

  // From the texts alone.
  static ModelFiles read(const std::string& config_json, const std::string& generation_config_json);
  // The checkpoint must outlive this.
  static ModelFiles read(Checkpoint& checkpoint);
};

}  // namespace weft
