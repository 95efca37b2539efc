#pragma once
#include <string>

namespace weft {

// {"texts":[...]} in `input` -> {"results":[{"ids":[...],"text":decoded}, ...]} on stdout. Special tokens written in a text
// are parsed and kept in the decoded text; none is added. Or {"chats":[...]}, each as a chat file holds it: "text" is then what
// the model's chat template made of it.
int run_tokenize(const std::string& model_path, const std::string& input);

}  // namespace weft
