// One timeline: the tokens so far and their KV cache. Only the engine's thread
// changes it; length() and tokens() may be asked from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "model/kv_cache.h"
#include "tokenizer/tokenizer.h"

namespace thermocline {

struct SessionOptions {
  int64_t context = 0;  // 0: the engine's
  DType kv_type = DType::kF16;
  bool kv_type_set = false;  // false: the engine's
};

class Session {
 public:
  Session(KvCache cache, int64_t context) : cache_(std::move(cache)), context_(context) {}

  int64_t length() const;
  std::vector<TokenId> tokens() const;
  int64_t context() const { return context_; }
  bool closed() const { return closed_.load(); }

  // For the engine's thread.
  KvCache& cache() { return cache_; }
  void Append(std::span<const TokenId> tokens);
  void Truncate(int64_t length);
  void Close();  // frees the cache

 private:
  mutable std::mutex mutex_;
  std::vector<TokenId> tokens_;
  KvCache cache_;
  const int64_t context_;
  std::atomic<bool> closed_{false};
};

}  // namespace thermocline
