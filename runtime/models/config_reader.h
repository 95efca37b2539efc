#pragma once
// JSON with a memory: every key that is read is ticked off, and what nobody read is refused by name, so that a setting that
// changes the arithmetic is never silently dropped. Of a model's config it reads what resolve_config() makes of config.json.
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
  std::optional<int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;
  std::optional<bool> flag(const std::string& key) const;
  std::optional<std::string> text(const std::string& key) const;
  std::optional<std::vector<int64_t>> integers(const std::string& key) const;  // one integer counts as a list of one
  std::optional<std::vector<std::string>> texts(const std::string& key) const;
  std::optional<ConfigReader> object(const std::string& key) const;

  int64_t required(const std::string& key, int64_t low, int64_t high) const;  // refuses out of range
  double required_number(const std::string& key) const;
  bool required_flag(const std::string& key) const;
  void only(const std::string& key, const std::string& allowed) const;  // text, if present, must be that

  void finish() const;  // refuses keys nobody asked for, unless they are null

 private:
  struct State;
  explicit ConfigReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft
