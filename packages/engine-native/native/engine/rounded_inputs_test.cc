// The kernel set that rounds what meets BF16 weights: nothing but precision is given up.
#include <algorithm>
#include <cmath>

#include "backends/suite_test.h"
#include "engine/engine_testing.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::NewSession;
using testing::OpenTiny;

constexpr char kSet[] = "avx512-bf16";

EngineOptions With(const char* kernels, int threads = 2) {
  EngineOptions options;
  options.kernels = kernels;
  options.threads = threads;
  return options;
}

std::vector<TinyModel> Models() {
  TinyModel opt = TinyModelOf(DType::kBF16);
  opt.arch = "opt";
  TinyModel mixed = TinyModelOf(DType::kBF16);
  mixed.down_type = DType::kQ8_0;
  return {TinyModelOf(DType::kBF16), opt, mixed};
}

std::vector<TokenId> Tokens(int n) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 37 + 101) % 256);
  return tokens;
}

TEST(RoundedInputs, MoveLogitsByWhatEightBitsCan) {
  if (const std::string why_not = WhyNot(kSet); !why_not.empty()) SKIP(why_not);
  for (const TinyModel& model : Models()) {
    const auto usual = OpenTiny(model);
    const auto rounding = OpenTiny(model, With(kSet));
    ASSERT_TRUE(usual != nullptr && rounding != nullptr);
    EXPECT_NE(usual->info().kernels, std::string(kSet));
    EXPECT_EQ(rounding->info().kernels, std::string(kSet));
    const auto expected = AllLogits(*usual, NewSession(*usual), Tokens(20));
    const auto logits = AllLogits(*rounding, NewSession(*rounding), Tokens(20));
    float largest = 0, difference = 0;
    for (size_t t = 0; t < logits.size(); ++t) {
      for (size_t i = 0; i < logits[t].size(); ++i) {
        largest = std::max(largest, std::fabs(expected[t][i]));
        difference = std::max(difference, std::fabs(logits[t][i] - expected[t][i]));
      }
    }
    EXPECT_GT(difference, 0.0F);
    EXPECT_LT(difference, 0.03F * largest);
  }
}

TEST(RoundedInputs, GiveTheSameBitsInEveryModeBatchAndThread) {
  if (const std::string why_not = WhyNot(kSet); !why_not.empty()) SKIP(why_not);
  for (const TinyModel& model : Models()) {
    const auto engine = OpenTiny(model, With(kSet));
    const auto one_thread = OpenTiny(model, With(kSet, 1));
    ASSERT_TRUE(engine != nullptr && one_thread != nullptr);
    const auto tokens = Tokens(33);
    const auto at_once = AllLogits(*engine, NewSession(*engine), tokens);
    EXPECT_TRUE(AllLogits(*engine, NewSession(*engine), tokens, Mode::kExact) == at_once);
    EXPECT_TRUE(AllLogits(*one_thread, NewSession(*one_thread), tokens) == at_once);
    const auto session = NewSession(*engine);
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_TRUE(AllLogits(*engine, session, {tokens[i]}).front() == at_once[i]);
    }
  }
}

TEST(RoundedInputs, AreForBF16WeightsAlone) {
  if (const std::string why_not = WhyNot(kSet); !why_not.empty()) SKIP(why_not);
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
    const auto usual = OpenTiny(TinyModelOf(type), With("avx512-vnni"));
    const auto rounding = OpenTiny(TinyModelOf(type), With(kSet));
    ASSERT_TRUE(usual != nullptr && rounding != nullptr);
    EXPECT_TRUE(AllLogits(*rounding, NewSession(*rounding), Tokens(9)) ==
                AllLogits(*usual, NewSession(*usual), Tokens(9)));
  }
}

TEST(RoundedInputs, ArePlannedFor) {
  if (const std::string why_not = WhyNot(kSet); !why_not.empty()) SKIP(why_not);
  const auto usual = OpenTiny(TinyModelOf(DType::kBF16));
  const auto rounding = OpenTiny(TinyModelOf(DType::kBF16), With(kSet));
  ASSERT_TRUE(usual != nullptr && rounding != nullptr);
  const TierMemory memory = rounding->memory().front();
  EXPECT_EQ(memory.used, memory.planned);
  EXPECT_GT(memory.planned, usual->memory().front().planned);
}

}  // namespace
}  // namespace thermocline
