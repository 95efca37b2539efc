#pragma once
// XXH3-64 of a stream of logits: equal fingerprints mean equal bits in every value, in order.
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct XXH3_state_s;

namespace weft {

class Fingerprint {
 public:
  Fingerprint();
  void add(std::span<const float> values);
  uint64_t value() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

// As every output writes it: 16 hexadecimal digits.
std::string fingerprint_text(uint64_t fingerprint);

}  // namespace weft
