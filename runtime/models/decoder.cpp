#include "runtime/models/decoder.h"

#include "kernels/core/check.h"

namespace weft {
namespace {

struct Embed final : Block {
  Embedding embedding;
  explicit Embed(Embedding embedding) : embedding(std::move(embedding)) {}
  void operator()(Stream& h) const override { embedding(h.sum(), h.step()); }
};

struct Logits final : Block {
  Norm norm;
  Head head;
  Logits(Norm norm, Head head) : norm(std::move(norm)), head(std::move(head)) {}
  void operator()(Stream& h) const override { head(norm(h)); }
};

}  // namespace

Model decoder(const Build& b, const MakeLayer& make_layer) {
  const ConfigReader& c = b.config;
  constexpr int64_t kMany = int64_t{1} << 31;
  const int64_t vocab = c.integer("vocab_size", 1, kMany), hidden = c.integer("hidden_size", 1, 1 << 24);
  const int64_t positions = c.integer("max_position_embeddings", 1, kMany);
  const bool tied = c.flag("tie_word_embeddings");
  Model model;
  model.info = {.vocab_size = vocab,
                .hidden_size = hidden,
                .n_layers = static_cast<int>(c.integer("num_hidden_layers", 1, 4096)),
                .max_position_embeddings = positions,
                .trained_length = trained_length(positions, read_rope(c)),
                .dtype = c.text("dtype", "float32")};

  // Of two tied matrices a checkpoint may hold either, or both if they are equal.
  const bool only_head = tied && b.stored("lm_head.weight") && !b.stored("model.embed_tokens.weight");
  const char* embed = only_head ? "lm_head" : "model.embed_tokens";
  if (tied && !only_head) b.ignore("lm_head.weight");
  model.stack.push_back(std::make_unique<Embed>(Embedding(b, embed, vocab, hidden)));
  for (int i = 0; i < model.info.n_layers; ++i) model.stack.push_back(make_layer(b / "model.layers" / i, i));
  Norm norm(b / "model.norm", read_norm(c));
  model.stack.push_back(std::make_unique<Logits>(std::move(norm), Head(b, tied ? embed : "lm_head", vocab, hidden)));
  return model;
}

}  // namespace weft
