#pragma once
// What tells one copy of a model's files from another at a glance: ranks on several hosts compare it before they load.
#include <string>

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/traits.h"

namespace weft {

// (path, trait) of every file that Weft reads of the model, in an order that depends on their names only: its size; of a weight
// file the XXH3-64 of its header, and of a sample of its data: around the border of every tensor (of at most 4096, spread
// over all files) and at 32 places spread evenly from beginning to end; of any other file the XXH3-64 of all of it. A file that
// a model may lack and does lack has a trait that says so.
Traits file_traits(const Checkpoint& checkpoint);

// Likewise of what turns text into ids and back: a Hugging Face directory's files for it, a GGUF file's header.
Traits text_traits(const std::string& model_path);

}  // namespace weft
