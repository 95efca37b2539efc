// Split models: opened by their first part, every other use of a part is named as one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/weights/gguf.h"
#include "tests/runtime/weights/model_files.h"

namespace weft {
namespace {

using namespace test;
using testing::HasSubstr;

class GgufSplit : public testing::Test {
 protected:
  // Part `no` (from 0) of `count`, with the tensor t<no>, under `file`.
  std::string part(const std::string& file, uint32_t no, uint32_t count, uint32_t tensors, const std::string& tensor = "") {
    GgufParts parts{
        .pairs = {gguf_u32("split.no", no), gguf_u32("split.count", count), gguf_u32("split.tensors.count", tensors)},
        .tensors = {gguf_tensor(tensor.empty() ? "t" + std::to_string(no) : tensor, {4}, 0, 0)},
        .data = std::string(64, static_cast<char>('a' + no))};
    return directory_.write(file, parts.bytes());
  }
  std::string refused(const std::string& path) {
    return refusal([&] { GgufFile file(path); });
  }
  TempDirectory directory_;
};

TEST_F(GgufSplit, ReadsAllPartsFromTheFirst) {
  const std::string first = part("m-00001-of-00003.gguf", 0, 3, 3);
  part("m-00002-of-00003.gguf", 1, 3, 3);
  part("m-00003-of-00003.gguf", 2, 3, 3);
  const GgufFile file(first);
  EXPECT_EQ(file.parts(), 3u);
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const auto& [name, tensor] : file.tensors())
    EXPECT_EQ(static_cast<char>(file.file(tensor.part).bytes()[tensor.begin]), 'a' + name[1] - '0') << name;
}

TEST_F(GgufSplit, NamesAPartAsOne) {
  const std::string first = part("m-00001-of-00002.gguf", 0, 2, 2);
  EXPECT_THAT(refused(first), HasSubstr("is part 1 of 2 of a split GGUF, and part 2, " +
                                        directory_ / "m-00002-of-00002.gguf" + ", is missing"));
  EXPECT_THAT(refused(part("m-00002-of-00002.gguf", 1, 2, 2)),
              HasSubstr("is part 2 of 2 of a split GGUF; open its first part, " + first));
  EXPECT_THAT(refused(part("renamed.gguf", 0, 2, 2)), HasSubstr("its name does not end in -00001-of-00002.gguf"));
}

TEST_F(GgufSplit, RefusesPartsThatDoNotBelongTogether) {
  const std::string first = part("m-00001-of-00002.gguf", 0, 2, 2), second = "m-00002-of-00002.gguf";
  part(second, 1, 2, 2, "t0");
  EXPECT_THAT(refused(first), HasSubstr("tensor t0 is in an earlier part too"));
  part(second, 0, 2, 2);
  EXPECT_THAT(refused(first), HasSubstr("says it is part 1 of 2 of a split GGUF, not 2 of 2"));
  part(second, 1, 2, 2);
  EXPECT_THAT(refused(part("m-00001-of-00002.gguf", 0, 2, 7)), HasSubstr("hold 2 tensors, and split.tensors.count says 7"));
  EXPECT_THAT(refused(part("x.gguf", 5, 2, 2)), HasSubstr("says it is part 6 of 2"));
}

}  // namespace
}  // namespace weft
