#pragma once
// Work that every rank does for itself and that must succeed on all of them, and what all of them must have alike.
#include <string>
#include <vector>

#include "kernels/core/check.h"
#include "parallel/communicator.h"
#include "runtime/weights/traits.h"

namespace weft {

// Runs fn() -> std::string on every rank and returns all ranks' values. If it threw anywhere, every rank
// throws the first failing rank's sentence: an InputError if it was one there, else a CheckError. Rank and host
// stand before it unless it is every rank's. A collective of all ranks.
template <class Fn>
std::vector<std::string> agree(HostComm& host, Fn&& fn);

// The sentence about the first trait in which the second differs from the first, with what each has; empty if they are alike.
// They are named as "rank 1 on host b".
std::string difference(const std::string& first, const Traits& of_first, const std::string& second, const Traits& of_second);

// Every rank throws one InputError about the first rank that differs from rank 0. A collective of all ranks.
void require_equal(HostComm& host, const Traits& traits);

namespace detail {
std::vector<std::string> values_or_throw(HostComm& host, const std::string& outcome);
constexpr char kDone = '0', kInput = 'I', kOther = 'E';  // first byte of an outcome
}  // namespace detail

template <class Fn>
std::vector<std::string> agree(HostComm& host, Fn&& fn) {
  if (host.size() == 1) return {fn()};
  std::string outcome;
  try {
    outcome = detail::kDone + fn();
  } catch (const InputError& e) {
    outcome = detail::kInput + std::string(e.what());
  } catch (const std::exception& e) {
    outcome = detail::kOther + std::string(e.what());
  }
  return detail::values_or_throw(host, outcome);
}

}  // namespace weft
