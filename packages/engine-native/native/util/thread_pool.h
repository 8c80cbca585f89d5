// A few threads that work through numbered chunks together. Between calls they
// spin briefly, then sleep, so that an idle engine costs nothing and a busy
// neighbour process does not stall it: a chunk is taken only by a thread that runs.
#pragma once

#include <cstdint>
#include <memory>

namespace thermocline {

// A non-owning reference to a callable void(int64_t chunk, int thread).
class ChunkBody {
 public:
  template <typename F>
  ChunkBody(F& f)  // NOLINT: implicit by design
      : object_(&f), call_([](void* o, int64_t chunk, int thread) {
          (*static_cast<F*>(o))(chunk, thread);
        }) {}
  void operator()(int64_t chunk, int thread) const { call_(object_, chunk, thread); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int);
};

class ThreadPool {
 public:
  // REQUIRES: n_threads >= 1; the calling thread counts as one, so n - 1 are created. Throws
  // std::system_error when the system refuses a thread.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const;

  // Runs body(chunk, thread) for every chunk in [0, n_chunks), thread in [0, n_threads), and
  // returns when all are done. One caller at a time. n_chunks <= 1 runs on the caller; fewer than
  // 2^31. Each thread begins with a stretch of neighbouring chunks, in ascending order: two threads
  // that take turns in one stretch of memory read it far slower than each its own.
  void ParallelFor(int64_t n_chunks, ChunkBody body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace thermocline
