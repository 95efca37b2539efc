// Any bytes as a GGUF file: read, or refused with an InputError. All metadata is decoded, config.json made,
// every byte of every tensor touched through the checkpoint.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/core/check.h"
#include "runtime/weights/checkpoint.h"
#include "runtime/weights/gguf.h"

namespace {

using weft::GgufFile;
using weft::GgufType;

// Reads one value in the way its type allows; returns something of it.
size_t decode(const GgufFile& file, const std::string& key, const weft::GgufValue& value) {
  size_t sum = 0;
  if (value.type == GgufType::string && value.is_array)
    for (const auto text : file.get_string_array(key)) sum += text.empty() ? 0 : static_cast<size_t>(text.back());
  else if (value.type == GgufType::string)
    sum += file.get_string(key)->size();
  else if (value.type == GgufType::boolean)
    sum += value.is_array ? value.count : *file.get_bool(key);
  else
    sum += value.is_array ? file.get_float_array(key).size() : static_cast<size_t>(*file.get_float(key) > 0);
  return sum;
}

void read_everything(const std::string& path) {
  const GgufFile file(path);
  volatile size_t sum = 0;
  for (const auto& [key, value] : file.metadata()) sum = sum + decode(file, key, value);
  const auto checkpoint = weft::Checkpoint::open(path);
  for (const auto& [name, info] : checkpoint->tensors()) {
    for (const std::byte b : checkpoint->read(name)) sum = sum + static_cast<size_t>(b);
  }
  sum = sum + checkpoint->config_json().size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = memfd_create("gguf", MFD_CLOEXEC);
  try {
    if (write(fd, data, size) != static_cast<ssize_t>(size)) weft::bad_input("no memory for the input");
    read_everything("/proc/self/fd/" + std::to_string(fd));
  } catch (const weft::InputError&) {
  }
  close(fd);
  return 0;
}
