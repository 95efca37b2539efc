#pragma once
// Sleeping on descriptors, until a time.
#include <poll.h>

#include <vector>

namespace weft {

double now_s();  // seconds of the steady clock

// Sleeps until one of the descriptors is ready, which its revents tell, or the clock shows `until` (infinity: for ever).
void poll_until(std::vector<pollfd>& fds, double until);

}  // namespace weft
