#pragma once
// Reading tests/golden/text and comparing a tokenizer with what is in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"
#include "tests/support/source_dir.h"

namespace weft {

inline std::filesystem::path text_golden_dir() { return source_dir() / "tests/golden/text"; }

template <class Json = nlohmann::json>
Json read_golden(const std::filesystem::path& name) {
  std::ifstream file(text_golden_dir() / name);
  EXPECT_TRUE(file) << name;
  return Json::parse(file);
}

using Ids = std::vector<int32_t>;

// FNV-1a over the ids, as make_text_goldens.py computes it.
inline std::string hash_ids(const Ids& ids) {
  uint64_t value = 0xCBF29CE484222325;
  for (const int32_t id : ids) value = (value ^ static_cast<uint32_t>(id)) * 0x100000001B3;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

inline std::string stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  Detokenizer detokenizer(tokenizer, skip_special);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

inline void expect_cases(const Tokenizer& tokenizer, const nlohmann::json& golden) {
  for (const auto& entry : golden.at("cases")) {
    const std::string text = entry.at("text");
    const Ids ids = tokenizer.encode(text, false, true);
    EXPECT_EQ(ids, entry.at("ids").get<Ids>()) << entry.at("text").dump(-1, ' ', true);
    EXPECT_EQ(tokenizer.encode(text, true, true), entry.at("with_special").get<Ids>()) << text;
    EXPECT_EQ(tokenizer.encode(text, false, false), entry.at("not_parsed").get<Ids>()) << text;
    EXPECT_EQ(tokenizer.decode(ids, false), entry.at("decoded").get<std::string>()) << text;
    EXPECT_EQ(tokenizer.decode(ids, true), entry.at("decoded_skip").get<std::string>()) << text;
    EXPECT_EQ(stream(tokenizer, ids, false), entry.at("decoded").get<std::string>()) << text;
    EXPECT_EQ(stream(tokenizer, ids, true), entry.at("decoded_skip").get<std::string>()) << text;
  }
}

inline void expect_decodes(const Tokenizer& tokenizer, const nlohmann::json& golden) {
  for (const auto& entry : golden.at("decodes")) {
    EXPECT_EQ(tokenizer.decode(entry.at("ids").get<Ids>(), false), entry.at("text").get<std::string>()) << entry.at("ids");
  }
}

// Inputs of a megabyte: a quadratic step anywhere would hit the test's time limit.
inline void expect_large(const Tokenizer& tokenizer, const nlohmann::json& golden) {
  for (const auto& entry : golden.at("large")) {
    const std::string unit = entry.at("unit");
    std::string text;
    for (int i = 0; i < entry.at("times").get<int>(); ++i) text += unit;
    text += entry.at("tail").get<std::string>();
    const Ids ids = tokenizer.encode(text, false, true);
    EXPECT_EQ(ids.size(), entry.at("count").get<size_t>()) << entry;
    EXPECT_EQ(hash_ids(ids), entry.at("hash").get<std::string>()) << entry;
  }
}

}  // namespace weft
