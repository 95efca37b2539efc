#pragma once
// config.json may tie the output matrix to the embedding and the checkpoint hold both. transformers then ties them only if
// their values are equal, and so does Weft.
#include "runtime/weights/checkpoint.h"

namespace weft {

// True unless the Hugging Face checkpoint stores an lm_head.weight whose values are not those of model.embed_tokens.weight.
// Reads both where they are equal, and up to the first difference where they are not.
bool head_is_embedding(const Checkpoint& checkpoint);

// The sentence that tells the user.
inline constexpr const char* kHeadDiffers =
    "config.json ties lm_head to the embedding, but the checkpoint holds an lm_head of other values: it is used";

}  // namespace weft
