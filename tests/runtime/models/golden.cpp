#include "tests/runtime/models/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/weights/mapped_file.h"
#include "runtime/weights/safetensors.h"
#include "tests/support/source_dir.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

fs::path root() { return source_dir() / "tests/golden/models"; }

template <class T>
std::vector<T> tensor(const MappedFile& file, const std::map<std::string, SafetensorsEntry>& header, const std::string& name) {
  const SafetensorsEntry& entry = header.at(name);
  std::vector<T> values((entry.end - entry.begin) / sizeof(T));
  std::memcpy(values.data(), file.bytes().data() + entry.begin, values.size() * sizeof(T));
  return values;
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

Golden read_golden(const std::string& name) {
  const fs::path directory = root() / name;
  Golden golden{.model_path = fs::exists(directory / "model.gguf") ? directory / "model.gguf" : directory, .cases = {}};
  const MappedFile file(directory / "golden.safetensors");
  const auto header = read_safetensors_header(file);
  const auto cases = nlohmann::json::parse(std::ifstream(directory / "cases.json")).at("cases");
  for (size_t i = 0; i < cases.size(); ++i)
    golden.cases.push_back({cases[i].at("input_ids").get<std::vector<int32_t>>(), tensor<float>(file, header, cat("logits.", i)),
                            tensor<int32_t>(file, header, cat("greedy_ids.", i))});
  return golden;
}

double relative_l2(const std::vector<float>& a, const std::vector<float>& b) {
  WEFT_CHECK_EQ(a.size(), b.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    norm += double(b[i]) * b[i];
  }
  return std::sqrt(error / norm);
}

}  // namespace weft
