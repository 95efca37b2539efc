#pragma once
// config.json with a memory: every key that is read is ticked off, and what nobody read and nobody may ignore is refused by
// name, so that a setting that changes the arithmetic is never silently dropped.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class ConfigReader {
 public:
  explicit ConfigReader(const std::string& json_text, const std::string& what = "config.json");
  ~ConfigReader();
  ConfigReader(ConfigReader&&) noexcept;

  // A key that is absent or null counts as missing. A value of another type is refused by name.
  bool has(const std::string& key) const;
  bool is_null(const std::string& key) const;  // written out as null, which switches some defaults off
  std::optional<int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;
  std::optional<bool> flag(const std::string& key) const;
  std::optional<std::string> text(const std::string& key) const;
  std::optional<std::vector<int64_t>> integers(const std::string& key) const;   // one integer counts as a list of one
  std::optional<std::vector<std::string>> texts(const std::string& key) const;
  std::optional<ConfigReader> object(const std::string& key) const;

  int64_t required(const std::string& key, int64_t low, int64_t high) const;             // refuses out of range
  int64_t in_range(const std::string& key, int64_t fallback, int64_t low, int64_t high) const;
  void only(const std::string& key, const std::string& allowed) const;                  // text, if present, must be that

  // Refuses keys nobody asked for, except bookkeeping keys of transformers that do not touch inference.
  void finish() const;

 private:
  struct State;
  explicit ConfigReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft
