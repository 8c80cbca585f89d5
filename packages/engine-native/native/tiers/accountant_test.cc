#include "tiers/accountant.h"

#include "util/testing.h"

namespace thermocline {
namespace {

TEST(Accountant, GivesBackWhatWasReserved) {
  const auto accountant = std::make_shared<Accountant>(Tier::kCpu, 100);
  {
    auto weights = accountant->Reserve(60, "weights");
    ASSERT_OK(weights);
    auto kv = accountant->PlanAndReserve(40, "kv");
    ASSERT_OK(kv);
    const TierMemory memory = accountant->memory();
    EXPECT_EQ(memory.used, 100U);
    EXPECT_EQ(memory.planned, 40U);
    EXPECT_EQ(memory.uses.at("weights"), 60U);
  }
  EXPECT_EQ(accountant->memory().used, 0U);
  EXPECT_EQ(accountant->memory().planned, 0U);
  EXPECT_EQ(accountant->memory().peak, 100U);
}

TEST(Accountant, RefusesWhatDoesNotFitAndNamesTheNumbers) {
  const auto accountant = std::make_shared<Accountant>(Tier::kCpu, 100);
  auto held = accountant->Reserve(60, "weights");
  ASSERT_OK(held);
  const Status status = accountant->Reserve(41, "kv").status();
  EXPECT_STATUS(status, StatusCode::kOutOfMemory);
  for (const char* part : {"41", "100", "40 left", "kv", "cpu"}) {
    EXPECT_NE(status.message().find(part), std::string::npos);
  }
  EXPECT_STATUS(accountant->Reserve(UINT64_MAX, "kv"), StatusCode::kOutOfMemory);
  EXPECT_STATUS(accountant->Plan(101, "weights"), StatusCode::kOutOfMemory);
  EXPECT_EQ(accountant->memory().used, 60U);
}

TEST(Accountant, PlansHoldTheirPlaceBeforeTheyAreReserved) {
  const auto accountant = std::make_shared<Accountant>(Tier::kCpu, 100);
  EXPECT_OK(accountant->Plan(60, "weights"));
  EXPECT_STATUS(accountant->PlanAndReserve(41, "predictors"), StatusCode::kOutOfMemory);
  EXPECT_EQ(accountant->memory().planned, 60U);
  EXPECT_EQ(accountant->memory().used, 0U);
  auto held = accountant->Reserve(80, "weights");  // more than was planned
  ASSERT_OK(held);
  EXPECT_STATUS(accountant->PlanAndReserve(40, "predictors"), StatusCode::kOutOfMemory);
  EXPECT_EQ(accountant->memory().planned, 60U);
  EXPECT_OK(accountant->PlanAndReserve(20, "predictors"));
  EXPECT_EQ(accountant->memory().planned, 60U);
}

TEST(Accountant, OutlivesItsOwnerThroughReservations) {
  Reservation kept;
  {
    auto accountant = std::make_shared<Accountant>(Tier::kCpu, 0);
    auto reservation = accountant->Reserve(8, "kv");
    ASSERT_OK(reservation);
    kept = std::move(*reservation);
  }
  EXPECT_EQ(kept.bytes(), 8U);
}

}  // namespace
}  // namespace thermocline
