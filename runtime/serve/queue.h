#pragma once
// A queue between threads. Everything pushed before close() is still delivered.
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace weft {

template <class T>
class Queue {
 public:
  void push(T item) {
    {
      std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    changed_.notify_one();
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

  // Moves all items to `out`, which is cleared first. wait: sleeps until there is one. False: closed, and
  // none is left.
  bool take(std::vector<T>& out, bool wait) {
    out.clear();
    std::unique_lock lock(mutex_);
    if (wait) changed_.wait(lock, [&] { return closed_ || !items_.empty(); });
    std::swap(out, items_);
    return !out.empty() || !closed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> items_;
  bool closed_ = false;
};

}  // namespace weft
