#pragma once
#include <unistd.h>

#include "tests/runtime/text/text_golden.h"

namespace weft {

// A Hugging Face directory in a folder of its own, made from a golden one by changing its JSON.
class HfDirectory {
 public:
  explicit HfDirectory(const std::string& golden) : json(read_golden(std::filesystem::path(golden) / "tokenizer.json")) {
    std::string name = (std::filesystem::temp_directory_path() / "weft_text_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~HfDirectory() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  std::unique_ptr<Tokenizer> load() const {
    write("tokenizer.json", json.dump());
    return Tokenizer::from_hf_directory(path_);
  }

  nlohmann::json json;

 private:
  std::filesystem::path path_;
};

}  // namespace weft
