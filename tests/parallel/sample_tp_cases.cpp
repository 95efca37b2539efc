// Tokens and fingerprints of slices must be those of one rank that holds the whole vocabulary.
#include "parallel/sample_tp.h"

#include <gtest/gtest.h>

#include "tests/parallel/rank_cases.h"
#include "tests/parallel/rank_context.h"

namespace weft {
namespace {

// As many rows as there are kinds of requests, so that one call draws for all of them.
std::vector<SampleRow> requests(const std::vector<SeenToken>& seen) {
  const SamplingParams kinds[] = {{},
                                  {.repetition_penalty = 1.5f},
                                  {.temperature = 1},
                                  {.temperature = 1, .top_k = 5},
                                  {.temperature = 1, .top_k = 1 << 20},
                                  {.temperature = 2, .top_p = 0.8f},
                                  {.temperature = 1, .min_p = 0.2f},
                                  {.temperature = 1e-40f},
                                  {.temperature = 0.7f, .top_k = 30, .top_p = 0.9f, .min_p = 0.01f, .presence_penalty = 1}};
  std::vector<SampleRow> rows;
  for (const SamplingParams& params : kinds) {
    rows.push_back({params, std::ssize(rows), seen});
    rows.back().params.seed = rows.size() * 77;
  }
  return rows;
}

std::vector<int32_t> draw(Communicator& comm, const Matrix& logits, const std::vector<SampleRow>& rows) {
  Matrix own = logits.block({0, logits.rows}, vocab_slice(logits.cols, comm.size(), comm.rank()));
  RankContext context(comm, Arithmetic::f32, sample_workspace(logits.rows, comm.size()), 2);
  std::vector<int32_t> ids(rows.size());
  vocab_sample(Tensor(ids.data(), {std::ssize(ids)}), own.tensor(), rows, logits.cols, context.parallel);
  return ids;
}

void slices_draw_the_token_of_the_whole(RankComm& ranks) {
  RankComm alone = single_rank();
  for (const int64_t vocab : {2, 103, 1000})
    for (uint32_t seed = 0; seed < 6; ++seed) {
      const std::vector<SeenToken> seen{{0, 1}, {1, 0}, {static_cast<int32_t>(vocab - 1), 2}};
      const std::vector<SampleRow> rows = requests(seen);
      Matrix logits = random_matrix(std::ssize(rows), vocab, seed);
      if (seed == 0) std::fill(logits.values.begin(), logits.values.end(), 1.5f);  // ties across slices
      if (seed == 1) {
        for (float& x : logits.values) x = std::round(x);
      }
      if (seed == 2) logits.values[2 * vocab + vocab / 2] = std::nanf("");
      const std::vector<int32_t> ids = draw(*ranks.tensors, logits, rows);
      EXPECT_EQ(ids, draw(*alone.tensors, logits, rows)) << vocab << " " << seed;
      EXPECT_EQ(ids[2] < 0, seed == 2);
      for (size_t row = 0; row < rows.size(); ++row)  // batch mates change nothing
        EXPECT_EQ(draw(*ranks.tensors, logits.row_block({static_cast<int64_t>(row), static_cast<int64_t>(row) + 1}),
                       {rows[row]})[0],
                  ids[row]);
    }
}

void greedy_sends_one_candidate_a_row(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const Matrix logits = random_matrix(3, 5000, 1);
  const int64_t before = comm.traffic().all_gather;
  draw(comm, logits, std::vector<SampleRow>(3));
  EXPECT_EQ(comm.traffic().all_gather - before, 3 * 8 * (comm.size() - 1));
}

void fingerprints_are_sums_of_slices(RankComm& ranks) {
  const auto sums = [](Communicator& comm, const Matrix& logits) {
    Matrix own = logits.block({0, logits.rows}, vocab_slice(logits.cols, comm.size(), comm.rank()));
    std::vector<int32_t> sums(logits.rows * 2), positions{4, 4, 9};
    RankContext context(comm, Arithmetic::f32, 1 << 16);
    vocab_fingerprint(Tensor(sums.data(), {logits.rows, 2}), own.tensor(), Tensor(positions.data(), {logits.rows}),
                      logits.cols, context.parallel);
    return sums;
  };
  RankComm alone = single_rank();
  const Matrix logits = random_matrix(3, 103, 3);
  EXPECT_EQ(sums(*ranks.tensors, logits), sums(*alone.tensors, logits));
}

void asked_for_logits_arrive_on_rank_0(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  for (const int64_t rows : {0, 1, 6}) {
    const Matrix logits = random_matrix(rows, 103, 8);
    Matrix own = logits.block({0, rows}, vocab_slice(103, comm.size(), comm.rank())), out(comm.rank() == 0 ? rows : 0, 103);
    RankContext context(comm, Arithmetic::f32, 0);
    gather_logits(out.tensor(), own.tensor(), 103, context.parallel);
    EXPECT_TRUE(out.same_bits(comm.rank() == 0 ? logits : Matrix(0, 103)));
  }
}

}  // namespace

std::vector<RankCase> sample_tp_cases() {
  return {{"slices_draw_the_token_of_the_whole", slices_draw_the_token_of_the_whole},
          {"greedy_sends_one_candidate_a_row", greedy_sends_one_candidate_a_row},
          {"fingerprints_are_sums_of_slices", fingerprints_are_sums_of_slices},
          {"asked_for_logits_arrive_on_rank_0", asked_for_logits_arrive_on_rank_0}};
}

}  // namespace weft
