#pragma once
// config.json as its config class of transformers reads it: run, inspect, convert and upcycle all start from this.
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/weights/config_reader.h"

namespace weft {

// The config.json in one form, whatever its author left out or spelled the old way:
//   every key of the class (config_class.h) is there, with the class's default where the file has none;
//   num_key_value_heads and head_dim are numbers; a null that is left means "none";
//   rope_parameters holds all of RoPE, with rope_type and rope_theta, and attention_factor where YaRN's has one of its own;
//   dtype, if any, is the stored type; model_type is a known one.
// Nothing else is in it. A key that could change the forward pass and is not of the class is refused by name whatever its
// value, as are quantised weights, and null where the class has none. Values are not judged otherwise.
nlohmann::json resolve_config(const std::string& config_json);
ConfigReader read_hf_config(const std::string& config_json);  // the same to read from

}  // namespace weft
