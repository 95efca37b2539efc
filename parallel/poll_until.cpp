#include "parallel/poll_until.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>

#include "kernels/core/check.h"

namespace weft {

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void poll_until(std::vector<pollfd>& fds, double until) {
  for (;;) {
    const double left_ms = std::clamp((until - now_s()) * 1000, 0.0, 1e9);
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::ceil(left_ms))) >= 0) return;
    WEFT_CHECK(errno == EINTR, "poll");
  }
}

}  // namespace weft
