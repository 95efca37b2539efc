#pragma once
// An object of a JSON file with a memory: keys that are read are ticked off, and finish() refuses the others by name, so that
// a setting that changes the arithmetic is never silently dropped. Of a model it reads what read_hf_config() (hf_config.h)
// makes of config.json: every key of the class is there, with the class's default, so no reader needs to know one.
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {

// A cheap value: a view of one state that its copies, the readers with() makes and the children object() gives share. Not for
// several threads. Every function ticks its key off. What is wrong is refused (InputError) in one sentence with the file's name,
// the key as the file spells it, and what is allowed.
class ConfigReader {
 public:
  // {"hidden_size", "d_model"}: who asks for the first reads the second.
  using Aliases = std::vector<std::pair<std::string, std::string>>;

  // `what` names the text in errors. Refuses what is no JSON object, and keys that stand twice in one object, at any depth.
  explicit ConfigReader(const std::string& json_text, const std::string& what = "config.json");

  // The same object under other names. An alias replaces an older one of its key; aliases are not looked up in one another,
  // and are of this object, not of its children.
  ConfigReader with(const Aliases& aliases) const;

  bool has(const std::string& key) const;  // false also for null, which is how a config says "none"

  // A missing or null key, and a value of another type, are refused.
  int64_t integer(const std::string& key, int64_t low, int64_t high) const;  // refuses what lies outside [low, high]
  double number(const std::string& key) const;
  bool flag(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::string one_of(const std::string& key, std::initializer_list<const char*> allowed) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;  // one integer counts as a list of one
  std::vector<std::string> texts(const std::string& key) const;
  ConfigReader object(const std::string& key) const;  // the same child each time

  // With a value for the missing or null key.
  double number(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;

  // Refuses a key that nobody read, of this object or of a child, unless it is null. A value of false is no excuse.
  void finish() const;

 private:
  struct State;
  explicit ConfigReader(std::shared_ptr<State> state);
  const std::string& spelled(const std::string& key) const;

  std::shared_ptr<State> state_;
  Aliases aliases_;
};

}  // namespace weft
