#include "kernels/quant/quant.h"

#include <gtest/gtest.h>

namespace weft {
TEST(Quant, Placeholder) {}
}  // namespace weft
