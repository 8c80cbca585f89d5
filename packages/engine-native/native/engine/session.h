// One timeline: the tokens so far and their KV cache. Only the engine's thread
// changes it; length() and tokens() may be asked from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
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
  // `owner` is the engine, only to be compared with.
  Session(const void* owner, KvCache cache, int64_t context)
      : owner_(owner), cache_(std::move(cache)), context_(context) {}

  int64_t length() const;
  std::vector<TokenId> tokens() const;
  std::vector<TokenId> LastTokens(int64_t n) const;  // at most n, newest last
  int64_t context() const { return context_; }
  bool BelongsTo(const void* engine) const { return owner_ == engine; }
  // From any thread. Work that runs is stopped, work to come is refused.
  void MarkClosed() { closed_.store(true); }
  bool closed() const { return closed_.load(); }

  // The rest is for the engine's thread.

  // Tokens [0, cached) have their keys and values in the cache. A generated token joins the
  // timeline at once and the cache when the next one is computed.
  int64_t cached() const { return cached_; }
  std::vector<TokenId> Pending() const;
  KvCache& cache() { return cache_; }

  // The tokens at `position` are in the cache now. REQUIRES: position == cached().
  void Commit(int64_t position, std::span<const TokenId> tokens);
  void AppendPending(TokenId token);
  void Truncate(int64_t length);
  // Makes the last cached token pending again, so that its logits can be had once more.
  void Uncache() { --cached_; }
  // Takes over another session's timeline. REQUIRES: equal KV shapes and types.
  void CopyFrom(const Session& other);
  void Free();  // the cache; REQUIRES: closed()

 private:
  const void* const owner_;
  mutable std::mutex mutex_;  // guards tokens_
  std::vector<TokenId> tokens_;
  int64_t cached_ = 0;
  KvCache cache_;
  const int64_t context_;
  std::atomic<bool> closed_{false};
};

}  // namespace thermocline
