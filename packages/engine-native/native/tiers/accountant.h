// Where bytes live, and one accountant per tier through which every allocation of
// that tier goes, so that budgets hold and what was planned can be compared with
// what is used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "util/status.h"

namespace thermocline {

enum class Tier : uint8_t { kGpu, kCpu, kFlash };
constexpr int kTiers = 3;
constexpr const char* TierName(Tier tier) {
  return tier == Tier::kGpu ? "gpu" : tier == Tier::kCpu ? "cpu" : "flash";
}

struct TierMemory {
  Tier tier = Tier::kCpu;
  uint64_t budget = 0;  // 0: none set
  uint64_t planned = 0;
  uint64_t used = 0;
  uint64_t peak = 0;
  std::map<std::string, uint64_t> uses;  // by purpose: "weights", "kv", "scratch"
};

class Accountant;

// A part of a tier's budget; gives it back when destroyed.
class Reservation {
 public:
  Reservation() = default;
  ~Reservation();
  Reservation(Reservation&& other) noexcept { swap(other); }
  Reservation& operator=(Reservation&& other) noexcept {
    swap(other);
    return *this;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  friend class Accountant;
  void swap(Reservation& other) noexcept {
    std::swap(accountant_, other.accountant_);
    std::swap(purpose_, other.purpose_);
    std::swap(bytes_, other.bytes_);
    std::swap(planned_too_, other.planned_too_);
  }
  std::shared_ptr<Accountant> accountant_;
  std::string purpose_;
  uint64_t bytes_ = 0;
  bool planned_too_ = false;
};

// Thread-safe. Held by shared_ptr, because reservations outlive engines.
class Accountant : public std::enable_shared_from_this<Accountant> {
 public:
  Accountant(Tier tier, uint64_t budget) { memory_.tier = tier, memory_.budget = budget; }

  // kOutOfMemory, with requested, free and budget bytes, when it does not fit.
  Result<Reservation> Reserve(uint64_t bytes, const std::string& purpose);
  // Says beforehand what will be reserved, to compare with what is; kOutOfMemory when it cannot
  // fit, so that nothing is allocated in vain.
  Status Plan(uint64_t bytes, const std::string& purpose);
  // Both at once, for what comes and goes, such as the caches of sessions.
  Result<Reservation> PlanAndReserve(uint64_t bytes, const std::string& purpose);
  TierMemory memory() const;

 private:
  friend class Reservation;
  void Release(const Reservation& reservation);

  mutable std::mutex mutex_;
  TierMemory memory_;
};

}  // namespace thermocline
