#pragma once
// What a job writes to stdout and stderr, taken by a pipe: our own log lines go on to stderr, all others (mpirun's, the
// C library's) are kept and logged at debug level.
#include <mutex>
#include <string>
#include <thread>

#include "parallel/file_descriptor.h"

namespace weft {

class LinePipe {
 public:
  LinePipe();
  ~LinePipe();  // does not wait for writers that still hold the other end

  // The end to give to the job as its stdout and stderr; close_writer() once it has it.
  int writer() const { return writer_.get(); }
  void close_writer() { writer_.reset(); }

  // Waits until every writer has closed its end, at most this long; then the first 64 KiB of the lines that were kept: causes
  // come before consequences.
  std::string kept(int timeout_ms) const;

 private:
  void read();
  void take(const std::string& line);

  FileDescriptor reader_, writer_, stop_, at_end_;  // the last two: eventfds
  mutable std::mutex mutex_;
  std::string kept_;    // guarded by mutex_
  std::thread thread_;  // last: it uses the others
};

}  // namespace weft
