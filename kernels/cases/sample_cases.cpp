// Cases of sample: ids of `rows` rows, drawn at as many positions from the same logits.
#include "kernels/sample/sample.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

OpCase sample_case(std::string name, int64_t vocab, int64_t rows, SamplingParams params, float scale = 3) {
  return {.name = cat("sample/", name, "_", vocab, "_rows", rows),
          .bytes = 4.0 * static_cast<double>(vocab * rows),
          .workspace = sample_workspace(rows, 1),
          .make = [=](Inputs& in) -> OpRun {
            const Tensor row = in.normal({1, vocab}, scale), ids = in.empty(DType::i32, {rows}),
                         logits = in.empty(DType::f32, {rows, vocab});
            auto& seen = in.keep(std::vector<SeenToken>());
            for (int32_t id = 0; id < vocab; id += 1 + static_cast<int32_t>(vocab / 50)) seen.push_back({id, id % 3});
            auto& each = in.keep(std::vector<SampleRow>());
            for (int64_t i = 0; i < rows; ++i) each.push_back({params, i, seen});
            return {{ids},
                    [=, &each](Backend b, Context& c) {
                      pick(b, ref::sample, sample)(ids, logits, each, VocabSlice::whole(vocab), c);
                    },
                    [=] {
                      for (int64_t i = 0; i < rows; ++i) std::copy_n(row.as<float>(), vocab, logits.as<float>() + i * vocab);
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
  add("generated_penalties", {.temperature = 1, .presence_penalty = 0.5f, .frequency_penalty = 0.25f, .seed = 5});
  add("plain", {.temperature = 1, .seed = 7});
  add("flat", {.temperature = 2, .seed = 7}, 0.01f);
  add("top_k", {.temperature = 0.8f, .top_k = 50, .seed = 1});
  add("flat_top_k", {.temperature = 0.8f, .top_k = 50, .seed = 1}, 0.01f);
  add("top_p", {.temperature = 1.2f, .top_p = 0.95f, .seed = 2});
  add("min_p", {.temperature = 1.5f, .min_p = 0.05f, .seed = 3});
  add("all", {.temperature = 0.7f, .top_k = 100, .top_p = 0.9f, .min_p = 0.01f, .repetition_penalty = 1.1f, .seed = ~0ull});
}

}  // namespace weft::test
