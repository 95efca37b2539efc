#pragma once
// The config classes of transformers (5.23) that Weft reads, as data: what every key is where config.json does not say it.
#include <array>
#include <span>
#include <string>
#include <string_view>

namespace weft {

struct ConfigClass {
  std::string_view model_type;
  // JSON. Every key the forward pass depends on, with its value in a config.json that lacks it. RoPE apart, see below.
  std::string_view defaults;
  // Names, separated by spaces: keys that may also be null although their default is not. Null never means the default.
  std::string_view nullable;
  // JSON. Keys the class does not read, that name something its models have or have not: any other value is refused.
  std::string_view fixed;
  double rope_theta;
  // Lists of names, separated by spaces, that classes share: keys beside the class's that its forward pass does without, whatever
  // their value. What no model's forward pass asks for is in a common list.
  std::array<std::string_view, 3> ignored;

  bool may_be_null(std::string_view key) const;
  bool ignores(std::string_view key) const;
};

std::span<const ConfigClass> config_classes();
std::string_view fixed_in_every_class();                              // JSON, as ConfigClass::fixed
const ConfigClass& find_config_class(const std::string& model_type);  // refuses an unknown one, listing the known

}  // namespace weft
