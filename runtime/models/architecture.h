#pragma once
// The architectures, a file each. To add one: its file, one declaration here, one entry in models.cpp, its config class in
// runtime/weights/config_class.cpp, and a golden.
#include "runtime/models/model.h"

namespace weft {

Model llama(const Build& b);
Model mistral(const Build& b);
Model mixtral(const Build& b);
Model qwen2(const Build& b);
Model qwen3(const Build& b);
Model qwen3_moe(const Build& b);

}  // namespace weft
