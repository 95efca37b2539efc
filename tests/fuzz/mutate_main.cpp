// Drives a libFuzzer entry point without libFuzzer: every file of the folders and files named, then `runs` mutations of
// them, always the same. (With clang, link the entry point with -fsanitize=fuzzer instead and drop this file.)
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
namespace fs = std::filesystem;

Bytes read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Headers say how the rest is read: three of four changes go into the first 4 KiB.
size_t position(const Bytes& bytes, std::mt19937_64& random) {
  const size_t limit = random() % 4 ? std::min<size_t>(bytes.size(), 4096) : bytes.size();
  return random() % limit;
}

void mutate(Bytes& bytes, std::mt19937_64& random) {
  constexpr uint64_t kAbsurd[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff};
  for (uint64_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
    const size_t at = position(bytes, random);
    switch (random() % 5) {
      case 0: bytes[at] = static_cast<uint8_t>(random()); break;
      case 1: bytes[at] ^= static_cast<uint8_t>(1u << random() % 8); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(bytes.begin() + at, bytes.begin() + at / 2, bytes.begin() + at / 2 + (bytes.size() - at) / 64); break;
      default:
        for (size_t i = 0, value = kAbsurd[random() % std::size(kAbsurd)]; i < 8 && at + i < bytes.size(); ++i, value >>= 8)
          bytes[at + i] = static_cast<uint8_t>(value);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::cerr << "usage: " << argv[0] << " RUNS SEED_FILE_OR_FOLDER...\n", 2;
  std::vector<Bytes> seeds;
  for (int i = 2; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) { seeds.push_back(read(argv[i])); continue; }
    for (const auto& entry : fs::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file()) seeds.push_back(read(entry.path()));
  }
  for (const Bytes& seed : seeds) LLVMFuzzerTestOneInput(seed.data(), seed.size());
  std::mt19937_64 random(20240229);
  const long runs = std::atol(argv[1]);
  for (long run = 0; run < runs; ++run) {
    Bytes bytes = seeds[random() % seeds.size()];
    mutate(bytes, random);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::cout << seeds.size() << " seeds and " << runs << " mutations ran\n";
}
