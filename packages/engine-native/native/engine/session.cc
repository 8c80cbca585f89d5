#include "engine/session.h"

#include <algorithm>

namespace thermocline {

int64_t Session::length() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(tokens_.size());
}

std::vector<TokenId> Session::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::vector<TokenId> Session::LastTokens(int64_t n) const {
  const std::lock_guard lock(mutex_);
  return {tokens_.end() - std::min(n, static_cast<int64_t>(tokens_.size())), tokens_.end()};
}

std::vector<TokenId> Session::Pending() const {
  const std::lock_guard lock(mutex_);
  return {tokens_.begin() + cached_, tokens_.end()};
}

void Session::Commit(int64_t position, std::span<const TokenId> tokens) {
  const std::lock_guard lock(mutex_);
  const auto end = static_cast<size_t>(position) + tokens.size();
  if (tokens_.size() < end) tokens_.resize(end);
  std::copy(tokens.begin(), tokens.end(), tokens_.begin() + position);
  cached_ = static_cast<int64_t>(end);
}

void Session::AppendPending(TokenId token) {
  const std::lock_guard lock(mutex_);
  tokens_.push_back(token);
}

void Session::Truncate(int64_t length) {
  const std::lock_guard lock(mutex_);
  tokens_.resize(static_cast<size_t>(length));
  cached_ = std::min(cached_, length);
}

void Session::CopyFrom(const Session& other) {
  cache_.CopyFrom(other.cache_, other.cached_);
  const std::lock_guard lock(mutex_);
  tokens_ = other.tokens();
  cached_ = other.cached_;
}

void Session::Free() { cache_ = KvCache(); }

}  // namespace thermocline
