#include "launcher/standard_streams.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "kernels/core/check.h"

namespace weft {
namespace {

// open() takes the lowest free number: from the first stream on, that is the stream's own.
void stand_in(int stream, int mode) {
  if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) return;
  WEFT_CHECK(::open("/dev/null", mode) == stream, "cannot open /dev/null for a standard stream: ", std::strerror(errno));
}

}  // namespace

void prepare_standard_streams() {
  stand_in(STDIN_FILENO, O_RDONLY);
  stand_in(STDOUT_FILENO, O_RDONLY);  // writing to it fails
  stand_in(STDERR_FILENO, O_WRONLY);
  ::signal(SIGPIPE, SIG_IGN);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
}

bool stdout_failed() { return std::ferror(stdout) != 0; }

// stdio keeps no reason for an earlier failure: one more byte asks for it.
void finish_stdout() {
  if (std::fflush(stdout) == 0 && !stdout_failed()) return;
  const char* reason = ::write(STDOUT_FILENO, "\n", 1) < 0 ? std::strerror(errno) : "it took only a part";
  throw std::runtime_error(cat("the output could not be written to stdout: ", reason));
}

}  // namespace weft
