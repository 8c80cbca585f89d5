#include "tiers/accountant.h"

#include <algorithm>

namespace thermocline {
namespace {

Status DoesNotFit(const TierMemory& memory, uint64_t bytes, uint64_t taken,
                  const std::string& what) {
  return Status(StatusCode::kOutOfMemory,
                what + " needs " + std::to_string(bytes) + " bytes in the " +
                    TierName(memory.tier) + " tier, whose budget of " +
                    std::to_string(memory.budget) + " bytes has " +
                    std::to_string(memory.budget - std::min(memory.budget, taken)) +
                    " left; raise the budget, shorten the context or take a smaller model");
}

}  // namespace

Reservation::~Reservation() {
  if (accountant_ != nullptr) accountant_->Release(*this);
}

Result<Reservation> Accountant::Reserve(uint64_t bytes, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  if (memory_.budget != 0 &&
      (bytes > memory_.budget || memory_.used > memory_.budget - bytes)) {
    return DoesNotFit(memory_, bytes, memory_.used, purpose);
  }
  memory_.used += bytes;
  memory_.peak = std::max(memory_.peak, memory_.used);
  memory_.uses[purpose] += bytes;
  Reservation reservation;
  reservation.accountant_ = shared_from_this();
  reservation.purpose_ = purpose;
  reservation.bytes_ = bytes;
  return reservation;
}

Status Accountant::Plan(uint64_t bytes, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  if (memory_.budget != 0 &&
      (bytes > memory_.budget || memory_.planned > memory_.budget - bytes)) {
    return DoesNotFit(memory_, bytes, memory_.planned, purpose);
  }
  memory_.planned += bytes;
  return Status::Ok();
}

Result<Reservation> Accountant::PlanAndReserve(uint64_t bytes, const std::string& purpose) {
  RETURN_IF_ERROR(Plan(bytes, purpose));
  auto reservation = Reserve(bytes, purpose);
  if (reservation.ok()) {
    reservation->planned_too_ = true;
  } else {
    const std::lock_guard lock(mutex_);
    memory_.planned -= bytes;
  }
  return reservation;
}

TierMemory Accountant::memory() const {
  const std::lock_guard lock(mutex_);
  return memory_;
}

void Accountant::Release(const Reservation& reservation) {
  const std::lock_guard lock(mutex_);
  memory_.used -= reservation.bytes_;
  const auto use = memory_.uses.find(reservation.purpose_);
  use->second -= reservation.bytes_;
  if (use->second == 0) memory_.uses.erase(use);
  if (reservation.planned_too_) memory_.planned -= reservation.bytes_;
}

}  // namespace thermocline
