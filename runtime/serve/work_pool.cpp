#include "runtime/serve/work_pool.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

WorkPool::WorkPool(int threads) {
  WEFT_CHECK(threads >= 3, threads, " threads");
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { work(static_cast<Kind>(std::min<int>(i, large))); });
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
  const Kind kind = bytes <= small_job_bytes ? small : large;
  bytes = std::max(bytes, small_job_bytes);
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > max_waiting_bytes) return false;
    waiting_bytes_ += bytes;
    waiting_[kind].push_back({bytes, std::move(job)});
  }
  changed_.notify_all();  // one thread woken by notify_one could be the wrong kind
  return true;
}

void WorkPool::run_urgent(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    waiting_[urgent].push_back({0, std::move(job)});
  }
  changed_.notify_one();  // any thread will do
}

// The queue that a thread takes from next; null: all are empty for it. Large jobs have no thread of their own, so those that
// may take them prefer them to small ones.
std::deque<WorkPool::Job>* WorkPool::next(Kind longest) {
  for (const Kind kind : {urgent, large, small})
    if (kind <= longest && !waiting_[kind].empty()) return &waiting_[kind];
  return nullptr;
}

void WorkPool::work(Kind longest) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || next(longest); });
    std::deque<Job>* queue = next(longest);
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
