#pragma once
// Fills a decoder's weights with this rank's slices, following the weight table.
#include "parallel/mesh.h"
#include "runtime/layers/step.h"
#include "runtime/models/weight_table.h"
#include "runtime/weights/checkpoint.h"

namespace weft {

struct DecoderWeights {
  PackedMatrix embed;          // own rows of the vocabulary
  PackedMatrix head;           // empty if tied to embed
  Vector final_norm;
  Vector rope_factors;         // divisors of the RoPE frequencies, or empty
  std::vector<LayerWeights> layers;
};

// Every rule's tensor must exist (unless optional) with its shape, and every tensor of the checkpoint must be used and of a
// type that can be: missing, unused, misshapen and unreadable ones are refused by name.
void check_complete(const Checkpoint& checkpoint, const ModelConfig& config, const WeightTable& table);

// Checks that first.
DecoderWeights load_decoder(Checkpoint& checkpoint, const ModelConfig& config, const WeightTable& table, const Mesh& mesh,
                            ThreadPool& pool);

// Bytes of this rank's share of a rule's weight if stored as `dtype`: for `inspect`, from the config alone.
int64_t shard_bytes(const WeightRule& rule, const ModelConfig& config, const Mesh& mesh, DType dtype);

}  // namespace weft
