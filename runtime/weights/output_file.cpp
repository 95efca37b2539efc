#include "runtime/weights/output_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr std::array<int, 3> kDeadly = {SIGINT, SIGTERM, SIGHUP};

char doomed[4096];  // the one name that a deadly signal removes

void remove_and_die(int signal) {
  ::unlink(doomed);
  ::raise(signal);  // takes effect when this returns: SA_RESETHAND
}

// Signals that are ignored (nohup) or handled otherwise stay so.
void set_deadly(void (*from)(int), void (*to)(int)) {
  for (const int signal : kDeadly) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    if (now.sa_handler != from) continue;
    now.sa_handler = to;
    now.sa_flags = SA_RESETHAND;
    ::sigaction(signal, &now, nullptr);
  }
}

void remove_on_signal(const std::string& name) {
  if (name.size() >= sizeof doomed || doomed[0]) return;
  name.copy(doomed, name.size());
  set_deadly(SIG_DFL, remove_and_die);
}

void keep_on_signal() {
  set_deadly(remove_and_die, SIG_DFL);
  std::memset(doomed, 0, sizeof doomed);
}

std::string descriptor_path(std::FILE* file) { return cat("/proc/self/fd/", ::fileno(file)); }

bool link_to(std::FILE* file, const std::string& path) {
  return ::linkat(AT_FDCWD, descriptor_path(file).c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path), beside_(cat(path, ".partial.", getpid())) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {  // /dev/null, a pipe
    form_ = Form::direct;
    file_ = std::fopen(path.c_str(), "wb");
    if (!file_) fail();
  } else if (!open_nameless()) {
    open_beside();
  }
}

OutputFile::~OutputFile() {
  if (!file_) return;
  std::fclose(file_);
  if (form_ == Form::beside) remove_beside();
}

bool OutputFile::open_nameless() {
  const std::string directory = std::filesystem::path(path_).parent_path();
  const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  file_ = ::fdopen(fd, "wb");
  if (file_ && ::access(descriptor_path(file_).c_str(), F_OK) == 0) return true;  // without /proc it could get no name
  file_ ? std::fclose(file_) : ::close(fd);
  return false;
}

void OutputFile::open_beside() {
  form_ = Form::beside;
  file_ = std::fopen(beside_.c_str(), "wb");
  if (!file_) fail();
  remove_on_signal(beside_);
}

void OutputFile::remove_beside() const {
  std::remove(beside_.c_str());
  keep_on_signal();
}

void OutputFile::fail() const { bad_input("cannot write ", path_, ": ", std::strerror(errno)); }

void OutputFile::write(const void* data, size_t bytes) {
  WEFT_CHECK(file_, path_, " is finished");
  if (bytes && std::fwrite(data, 1, bytes, file_) != bytes) fail();
  size_ += bytes;
}

void OutputFile::pad_to(size_t alignment) {
  constexpr std::array<char, 64> kZeros{};
  WEFT_CHECK(alignment <= kZeros.size(), "alignment ", alignment);
  write(kZeros.data(), (alignment - size_ % alignment) % alignment);
}

// A link cannot replace a file, a rename can.
bool OutputFile::give_name() {
  if (link_to(file_, path_)) return true;
  if (errno != EEXIST || !link_to(file_, beside_)) return false;
  form_ = Form::beside;
  return true;
}

void OutputFile::finish() {
  WEFT_CHECK(file_, path_, " is finished");
  if (std::fflush(file_) != 0 || (form_ == Form::nameless && !give_name())) fail();
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (form_ == Form::beside) {
    const bool renamed = closed && std::rename(beside_.c_str(), path_.c_str()) == 0;
    const int error = errno;
    renamed ? keep_on_signal() : remove_beside();
    errno = error;
    if (!renamed) fail();
  }
  if (!closed) fail();
}

}  // namespace weft
