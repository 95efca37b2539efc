#include "runtime/serve/work_pool.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

WorkPool::WorkPool(int threads) {
  WEFT_CHECK(threads >= 2, threads, " threads");
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { work(i == 0); });
}

WorkPool::~WorkPool() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkPool::run(size_t bytes, std::function<void()> job) {
  const bool small = bytes <= small_job_bytes;
  bytes = std::max(bytes, small_job_bytes);
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > max_waiting_bytes) return false;
    waiting_bytes_ += bytes;
    (small ? small_ : large_).push_back({bytes, std::move(job)});
  }
  changed_.notify_all();  // one thread woken by notify_one could be the wrong kind
  return true;
}

// The queue this kind of thread takes from next; null: both are empty for it. Long jobs have no thread of their own, so those
// that may take them do so first.
std::deque<WorkPool::Job>* WorkPool::next(bool small_only) {
  if (!small_only && !large_.empty()) return &large_;
  return small_.empty() ? nullptr : &small_;
}

void WorkPool::work(bool small_only) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || next(small_only); });
    std::deque<Job>* queue = next(small_only);
    if (!queue) return;
    Job job = std::move(queue->front());
    queue->pop_front();
    lock.unlock();
    job.run();
    job.run = nullptr;
    lock.lock();
    waiting_bytes_ -= job.bytes;
  }
}

}  // namespace weft
