#include "launcher/line_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

namespace weft {
namespace {

constexpr size_t kKeptBytes = 64 << 10, kKeptOfLine = 1 << 10, kLongestLine = 64 << 10;

void raise_flag(const FileDescriptor& flag) {
  const uint64_t one = 1;
  WEFT_CHECK(::write(flag.get(), &one, sizeof one) == sizeof one, "eventfd");
}

}  // namespace

LinePipe::LinePipe() : stop_(::eventfd(0, EFD_CLOEXEC)), at_end_(::eventfd(0, EFD_CLOEXEC)) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) bad_input("cannot start the ranks: no descriptor is free for their output (ulimit -n)");
  reader_.reset(ends[0]);
  writer_.reset(ends[1]);
  thread_ = std::thread([this] { read(); });
}

LinePipe::~LinePipe() {
  raise_flag(stop_);
  thread_.join();
}

void LinePipe::read() {
  std::string rest;
  for (;;) {
    pollfd fds[] = {{reader_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
    if (!fds[0].revents) break;  // told to stop, with all read that is there
    char buffer[4096];
    const ssize_t bytes = ::read(reader_.get(), buffer, sizeof buffer);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    rest.append(buffer, static_cast<size_t>(bytes));
    size_t begin = 0;
    for (size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      take(rest.substr(begin, end - begin));
    rest.erase(0, begin);
    if (rest.size() > kLongestLine) take(std::exchange(rest, ""));
  }
  if (!rest.empty()) take(rest);
  raise_flag(at_end_);
}

void LinePipe::take(const std::string& line) {
  if (is_server_log_line(line)) return pass_log_line(line);
  log_debug("mpirun: ", line);
  std::lock_guard lock(mutex_);
  if (kept_.size() < kKeptBytes) kept_.append(line, 0, kKeptOfLine) += '\n';
}

std::string LinePipe::kept(int timeout_ms) const {
  pollfd end{at_end_.get(), POLLIN, 0};
  ::poll(&end, 1, timeout_ms);
  std::lock_guard lock(mutex_);
  return kept_;
}

}  // namespace weft
