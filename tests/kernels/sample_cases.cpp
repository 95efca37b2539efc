// Cases of sample: one output of ids, drawn at `draws` positions from the same logits.
#include "kernels/sample/sample.h"
#include "tests/support/op_case.h"

namespace weft::test {
namespace {

OpCase sample_case(std::string name, int64_t vocab, int draws, SamplingParams params, float scale = 3) {
  return {.name = cat("sample/", name, "_", vocab, "_draws", draws),
          .bytes = 4.0 * vocab * draws,
          .workspace = sample_workspace(vocab),
          .make = [=](Inputs& in) -> OpRun {
            const Tensor logits = in.normal({vocab}, scale), ids = in.empty(DType::i32, {draws});
            const Tensor seen = in.integers({50}, 0, static_cast<int32_t>(vocab));
            return {{ids}, [=](Backend b, Context& c) {
                      const std::span<const int32_t> history(seen.as<int32_t>(), seen.elements());
                      for (int i = 0; i < draws; ++i)
                        ids.as<int32_t>()[i] = pick(b, ref::sample, sample)(logits, params, history, i, c);
                    }};
          }};
}

}  // namespace

void add_sample_cases(std::vector<OpCase>& cases) {
  const auto add = [&](std::string name, SamplingParams params, float scale = 3) {
    for (int vocab : {1, 37, 5000}) cases.push_back(sample_case(name, vocab, 20, params, scale));
    for (int vocab : {49152, 151936}) cases.push_back(sample_case(name, vocab, 1, params, scale));
  };
  add("greedy", {});
  add("greedy_penalty", {.repetition_penalty = 1.3f});
  add("plain", {.temperature = 1, .seed = 7});
  add("flat", {.temperature = 2, .seed = 7}, 0.01f);
  add("top_k", {.temperature = 0.8f, .top_k = 50, .seed = 1});
  add("flat_top_k", {.temperature = 0.8f, .top_k = 50, .seed = 1}, 0.01f);
  add("top_p", {.temperature = 1.2f, .top_p = 0.95f, .seed = 2});
  add("min_p", {.temperature = 1.5f, .min_p = 0.05f, .seed = 3});
  add("all", {.temperature = 0.7f, .top_k = 100, .top_p = 0.9f, .min_p = 0.01f, .repetition_penalty = 1.1f, .seed = ~0ull});
}

}  // namespace weft::test
