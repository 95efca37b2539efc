#include "runtime/weights/config_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Fn>
std::string refusal(Fn&& fn) {
  try {
    fn();
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(ConfigReader, ReadsValuesOfEachType) {
  const ConfigReader c(R"({"n": 7, "x": 0.5, "yes": true, "name": "silu", "ids": [3, 1], "id": 4, "types": ["a", "b"]})");
  EXPECT_EQ(c.integer("n", 1, 7), 7);
  EXPECT_EQ(c.number("x"), 0.5);
  EXPECT_EQ(c.number("n"), 7);
  EXPECT_TRUE(c.flag("yes"));
  EXPECT_EQ(c.text("name"), "silu");
  EXPECT_EQ(c.one_of("name", {"gelu", "silu"}), "silu");
  EXPECT_THAT(c.integers("ids"), ElementsAre(3, 1));
  EXPECT_THAT(c.integers("id"), ElementsAre(4));
  EXPECT_THAT(c.texts("types"), ElementsAre("a", "b"));
  c.finish();
}

TEST(ConfigReader, NullIsNone) {
  const ConfigReader c(R"({"window": null})");
  for (const char* key : {"window", "missing"}) {
    EXPECT_FALSE(c.has(key));
    EXPECT_EQ(c.number(key, 3), 3);
    EXPECT_TRUE(c.flag(key, true));
    EXPECT_EQ(c.text(key, "a"), "a");
    EXPECT_EQ(refusal([&] { c.integer(key, 0, 9); }), cat("config.json has no ", key));
    EXPECT_EQ(refusal([&] { c.object(key); }), cat("config.json has no ", key));
  }
}

TEST(ConfigReader, RefusesOtherTypesAndValuesByName) {
  const ConfigReader c(
      R"({"n": 7.5, "big": 18446744073709551615, "m": -1, "flag": 0, "list": [1, "a"], "rope": {"type": 1}})", "x.json");
  EXPECT_EQ(refusal([&] { c.integer("n", 0, 9); }), "x.json: n must be an integer, not 7.5");
  EXPECT_EQ(refusal([&] { c.integer("m", 0, 9); }), "x.json: m is -1, allowed are 0 to 9");
  EXPECT_THAT(refusal([&] { c.integer("big", -1, 9); }), HasSubstr("big is 18446744073709551615, allowed are -1 to 9"));
  EXPECT_EQ(refusal([&] { c.flag("flag"); }), "x.json: flag must be true or false, not 0");
  EXPECT_EQ(refusal([&] { c.flag("flag", true); }), "x.json: flag must be true or false, not 0");
  EXPECT_THAT(refusal([&] { c.integers("list"); }), HasSubstr("must be an integer or a list of integers, not [1,\"a\"]"));
  EXPECT_THAT(refusal([&] { c.texts("list"); }), HasSubstr("must be a list of strings"));
  EXPECT_EQ(refusal([&] { c.object("n"); }), "x.json: n must be an object, not 7.5");
  EXPECT_EQ(refusal([&] { c.object("rope").text("type"); }), "x.json: rope: type must be a string, not 1");
  const ConfigReader act(R"({"hidden_act": "gelu"})");
  EXPECT_EQ(refusal([&] {
              act.one_of("hidden_act", {"silu", "relu"});
            }),
            "config.json: hidden_act \"gelu\" is not supported; known are silu, relu");
}

TEST(ConfigReader, FinishNamesWhatNobodyReadWhateverItsValue) {
  for (const char* value : {"true", "false", "0", "{}", "\"\"", "[]"}) {
    const ConfigReader c(cat(R"({"n": 1, "other": )", value, "}"));
    c.integer("n", 0, 9);
    EXPECT_EQ(refusal([&] { c.finish(); }), cat("config.json: unknown key other = ", value));
    c.has("other");
    c.finish();
  }
  ConfigReader(R"({"other": null})").finish();
}

TEST(ConfigReader, AChildIsTheSameEachTimeAndFinishedWithItsParent) {
  const ConfigReader c(R"({"text_config": {"rope": {"theta": 1, "scale": false}, "n": 2}})");
  c.object("text_config").integer("n", 0, 9);
  EXPECT_EQ(refusal([&] { c.finish(); }), "config.json: text_config: unknown key rope = {\"scale\":false,\"theta\":1}");
  c.object("text_config").object("rope").number("theta");
  EXPECT_EQ(refusal([&] { c.finish(); }), "config.json: text_config: rope: unknown key scale = false");
  const ConfigReader copy = c;
  copy.object("text_config").object("rope").flag("scale");
  c.finish();
}

TEST(ConfigReader, AliasesAreOtherNamesOfOneObject) {
  const ConfigReader c(R"({"d_model": 8, "encoder_heads": 4, "decoder_heads": 2, "inner": {"hidden_size": 5}})");
  const ConfigReader both = c.with({{"hidden_size", "d_model"}, {"heads", "encoder_heads"}});
  const ConfigReader decoder = both.with({{"heads", "decoder_heads"}});
  EXPECT_EQ(both.integer("hidden_size", 0, 9), 8);
  EXPECT_EQ(both.integer("heads", 0, 9), 4);
  EXPECT_EQ(decoder.integer("hidden_size", 0, 9), 8);
  EXPECT_EQ(decoder.integer("heads", 0, 9), 2);
  EXPECT_EQ(refusal([&] { decoder.flag("hidden_size"); }), "config.json: d_model must be true or false, not 8");
  EXPECT_EQ(both.object("inner").integer("hidden_size", 0, 9), 5);  // aliases are of one object
  c.finish();                                                       // which all readers tick off
  EXPECT_FALSE(c.has("hidden_size"));
}

TEST(ConfigReader, RefusesKeysThatStandTwice) {
  EXPECT_EQ(refusal([] { ConfigReader(R"({"n": 1, "n": 1})"); }), "config.json has the key \"n\" twice");
  EXPECT_EQ(refusal([] { ConfigReader(R"({"a": [{"n": 1, "m": 2, "n": 1}]})", "generation_config.json"); }),
            "generation_config.json has the key \"n\" twice");
  ConfigReader(R"({"n": 1, "a": {"n": 1}, "b": {"n": 1}})");
  EXPECT_THAT(refusal([] { ConfigReader("[1]"); }), HasSubstr("is not a JSON object"));
  EXPECT_THAT(refusal([] { ConfigReader("{"); }), HasSubstr("is not valid JSON"));
}

}  // namespace
}  // namespace weft
