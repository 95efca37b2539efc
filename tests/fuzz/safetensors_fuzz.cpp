// Any bytes as a safetensors file: read, or refused with an InputError. Every byte a tensor claims is
// touched.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/core/check.h"
#include "runtime/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = memfd_create("safetensors", MFD_CLOEXEC);
  try {
    if (write(fd, data, size) != static_cast<ssize_t>(size)) weft::bad_input("no memory for the input");
    const weft::MappedFile file("/proc/self/fd/" + std::to_string(fd));
    volatile unsigned sum = 0;
    for (const auto& [name, entry] : weft::read_safetensors_header(file))
      for (size_t i = entry.begin; i < entry.end; ++i) sum = sum + static_cast<unsigned>(file.bytes()[i]);
  } catch (const weft::InputError&) {
  }
  close(fd);
  return 0;
}
