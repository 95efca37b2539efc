// A communicator that moves nothing takes what others take, at addresses where nothing is.
#include <gtest/gtest.h>

#include "kernels/core/buffer.h"
#include "kernels/core/check.h"
#include "parallel/communicator.h"

namespace weft {
namespace {

TEST(DryCommunicator, ReturnsAtOnceAndTouchesNothing) {
  Arena arena = Arena::measuring();
  const auto comm = dry_communicator(2, 4);
  const Tensor regions = arena.tensor(DType::f32, {4, 3, 5}), more = arena.tensor(DType::f32, {4, 3, 5});
  const Tensor own = arena.tensor(DType::f32, {3, 5}), counts = arena.tensor(DType::i32, {4});
  comm->all_to_all_v(regions, more, counts);
  comm->all_gather_v(regions, own, counts);
  comm->all_gather(regions, own);
  comm->send(own, 0);
  comm->recv(own, 0);
  EXPECT_THROW(comm->all_to_all_v(regions, own, counts), CheckError);  // shapes are checked
  EXPECT_THROW(comm->all_gather(regions, regions), CheckError);
  EXPECT_EQ(comm->traffic().all_to_all, 0);

  const auto pair = comm->split(std::vector<int>{0, 2});
  EXPECT_EQ(pair->rank(), 1);
  EXPECT_EQ(pair->size(), 2);
  EXPECT_THROW(comm->split(std::vector<int>{0, 1}), CheckError);
}

}  // namespace
}  // namespace weft
