#include "launcher/tokenize.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "launcher/open_tokenizer.h"

namespace weft {

int run_tokenize(const std::string& model_path, const std::string& input) {
  std::ifstream in(input, std::ios::binary);
  if (!in) bad_input("cannot read --input ", input);
  const auto json = nlohmann::json::parse(in, nullptr, false);
  const char* form = " must be a JSON object {\"texts\": [strings]}";
  if (json.is_discarded() || !json.is_object() || json.size() != 1 || !json.contains("texts") || !json["texts"].is_array())
    bad_input("--input ", input, form);
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(model_path);

  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const auto& text : json["texts"]) {
    if (!text.is_string()) bad_input("--input ", input, form);
    const std::vector<int32_t> ids = tokenizer->encode(text.get_ref<const std::string&>(), false, true);
    results.push_back({{"ids", ids}, {"text", tokenizer->decode(ids, false)}});
  }
  std::printf("%s\n", nlohmann::ordered_json({{"results", results}}).dump().c_str());
  return 0;
}

}  // namespace weft
