#include "engine/sum_observer.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "engine/engine_testing.h"
#include "util/thread_pool.h"

namespace thermocline {
namespace {

using testing::NewSession;
using testing::OpenTiny;
using testing::StepNow;
using testing::Wait;

int32_t BinOf(float magnitude) { return MagnitudeBin(std::bit_cast<int32_t>(magnitude)); }

TEST(MagnitudeBins, BeginWhereTheContractSays) {
  for (int32_t bin = 1; bin < kMagnitudeBins; ++bin) {
    const double start = std::exp2(bin / 8.0 - 24);
    auto first = static_cast<float>(start);
    if (static_cast<double>(first) < start) first = std::nextafter(first, 1e9F);
    EXPECT_EQ(BinOf(first), bin);
    EXPECT_EQ(BinOf(std::nextafter(first, 0.0F)), bin - 1);
  }
}

TEST(MagnitudeBins, HaveOpenEnds) {
  for (const float low : {0.0F, FLT_TRUE_MIN, FLT_MIN, 1e-9F}) EXPECT_EQ(BinOf(low), 0);
  for (const float high : {255.9F, 256.0F, 1e9F, FLT_MAX}) EXPECT_EQ(BinOf(high), 255);
}

// Values of tokenHash in the contracts.
TEST(TokenHash, IsThatOfTheContract) {
  EXPECT_EQ(TokenHash(0, 0, 0), 1422740206U);
  EXPECT_EQ(TokenHash(0, 3, 17), 4002541558U);
  EXPECT_EQ(TokenHash(7, 1, 511), 836084356U);
  EXPECT_EQ(TokenHash(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), 1505308663U);
  EXPECT_EQ(TokenHash(1, 0, 123456), 3673110122U);
}

constexpr uint32_t kSalt = 7;
constexpr uint32_t kDocument = 3;

// Activations of one layer: zeros of both signs, ties with thresholds, all magnitudes.
struct Rows {
  int64_t width = 0;
  std::vector<float> values;
  int64_t count() const { return static_cast<int64_t>(values.size()) / width; }
};

Rows MakeRows(int64_t count, int64_t width, bool sparse) {
  Rows rows{width, {}};
  uint64_t seed = 99;
  for (int64_t i = 0; i < count * width; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto draw = static_cast<uint32_t>(seed >> 33);
    const bool zero = sparse && (draw % 4 != 0 || i % width == 5);
    const float magnitude =
        draw % 16 == 1 ? 0.5F : std::exp2(static_cast<float>(draw >> 8 & 0xFFFF) / 1500.0F - 30);
    const float value = zero ? 0.0F : magnitude;
    rows.values.push_back(draw % 3 == 0 ? -value : value);
  }
  return rows;
}

// Gives rows [begin, end) to an observer as layer 1 of two.
Status Give(SumObserver& sums, const Rows& rows, int64_t begin, int64_t end,
            ThreadPool* pool = nullptr) {
  ObservedRows observed;
  observed.layer = 1;
  observed.stream = Stream::kActivation;
  observed.position = begin;
  observed.rows = end - begin;
  observed.width = rows.width;
  observed.values = rows.values.data() + begin * rows.width;
  observed.pool = pool;
  return sums.OnRows(observed);
}

SumObserver MakeSums(const Rows& rows, SumOptions options) {
  SumObserver sums({4, rows.width}, std::move(options));
  sums.Label({kDocument}, {100});
  return sums;
}

// The definition, neuron by neuron.
void ExpectSums(const SumObserver::Layer& layer, const Rows& rows, double threshold) {
  std::vector<int64_t> magnitudes(kMagnitudeBins, 0);
  for (int64_t i = 0; i < rows.width; ++i) {
    int64_t fires = 0;
    double abs_sum = 0;
    std::set<uint32_t> hashes;
    for (int64_t t = 0; t < rows.count(); ++t) {
      const double h = std::fabs(static_cast<double>(
          rows.values[static_cast<size_t>(t * rows.width + i)]));
      abs_sum += h;
      if (h > threshold) {
        ++fires;
        hashes.insert(TokenHash(kSalt, kDocument, static_cast<uint32_t>(100 + t)));
      }
      int64_t bin = 0;
      while (bin < 255 && h >= std::exp2(static_cast<double>(bin + 1) / 8.0 - 24)) ++bin;
      ++magnitudes[static_cast<size_t>(bin)];
    }
    EXPECT_EQ(layer.fires[static_cast<size_t>(i)], fires);
    EXPECT_NEAR(layer.abs_sum[static_cast<size_t>(i)], abs_sum, 1e-12 * abs_sum);
    std::vector<uint32_t> sketch(hashes.begin(), hashes.end());
    sketch.resize(kSketchHashes, kSketchEmpty);
    const auto first = layer.sketches.begin() + i * kSketchHashes;
    EXPECT_TRUE(std::equal(sketch.begin(), sketch.end(), first));
  }
  EXPECT_TRUE(layer.magnitudes == magnitudes);
}

TEST(SumObserver, CountsAsDefined) {
  for (const int64_t width : {1, 15, 16, 128, 129, 300}) {
    for (const int64_t count : {1, 7, 100}) {
      for (const bool sparse : {false, true}) {
        const Rows rows = MakeRows(count, width, sparse);
        for (const double threshold : {-1.0, 0.0, 0.5, 0.3, 1e-40, 1e300}) {
          SumOptions options{{}, kSalt};
          if (threshold >= 0) options.thresholds = {9.0, threshold};
          SumObserver sums = MakeSums(rows, options);
          ASSERT_OK(Give(sums, rows, 0, count));
          EXPECT_EQ(sums.layers()[0].tokens, 0);
          EXPECT_EQ(sums.layers()[1].tokens, count);
          ExpectSums(sums.layers()[1], rows, std::max(threshold, 0.0));
        }
      }
    }
  }
}

TEST(SumObserver, DoesNotDependOnGroupsOrThreads) {
  const Rows rows = MakeRows(256, 300, true);
  SumObserver whole = MakeSums(rows, {{}, kSalt});
  ASSERT_OK(Give(whole, rows, 0, 256));
  const SumObserver::Layer& expected = whole.layers()[1];
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    SumObserver sums = MakeSums(rows, {{}, kSalt});
    ASSERT_OK(Give(sums, rows, 0, 256, &pool));
    EXPECT_TRUE(sums.layers()[1].fires == expected.fires);
    EXPECT_TRUE(sums.layers()[1].abs_sum == expected.abs_sum);
    EXPECT_TRUE(sums.layers()[1].magnitudes == expected.magnitudes);
    EXPECT_TRUE(sums.layers()[1].sketches == expected.sketches);
  }
  for (const int64_t group : {1, 60, 255}) {
    SumObserver sums = MakeSums(rows, {{}, kSalt});
    for (int64_t t = 0; t < 256; t += group) {
      ASSERT_OK(Give(sums, rows, t, std::min<int64_t>(256, t + group)));
    }
    EXPECT_TRUE(sums.layers()[1].fires == expected.fires);
    EXPECT_TRUE(sums.layers()[1].magnitudes == expected.magnitudes);
    EXPECT_TRUE(sums.layers()[1].sketches == expected.sketches);
    for (size_t i = 0; i < 300; ++i) {
      EXPECT_NEAR(sums.layers()[1].abs_sum[i], expected.abs_sum[i], 1e-12 * expected.abs_sum[i]);
    }
  }
}

TEST(SumObserver, ATokenThatComesTwiceIsInASketchOnce) {
  const Rows rows = MakeRows(30, 20, false);
  SumObserver sums = MakeSums(rows, {{}, kSalt});
  ASSERT_OK(Give(sums, rows, 0, 30));
  const std::vector<uint32_t> once = sums.layers()[1].sketches;
  ASSERT_OK(Give(sums, rows, 0, 30));
  EXPECT_TRUE(sums.layers()[1].sketches == once);
  EXPECT_EQ(sums.layers()[1].tokens, 60);
}

TEST(SumObserver, RefusesWhatNoSumCanShow) {
  for (const float wrong : {std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    Rows rows = MakeRows(3, 20, false);
    rows.values[25] = wrong;
    SumObserver sums = MakeSums(rows, {});
    EXPECT_STATUS(Give(sums, rows, 0, 3), StatusCode::kModelCorrupt);
  }
  const Rows rows = MakeRows(3, 20, false);
  SumObserver unlabelled({4, 20}, {{}, kSalt});
  EXPECT_STATUS(Give(unlabelled, rows, 0, 3), StatusCode::kInternal);
  SumObserver another({4, 21});
  EXPECT_STATUS(Give(another, rows, 0, 3), StatusCode::kInvalidArgument);
}

// The same tokens through engines, with any number of threads and any plan.
TEST(SumObserver, CallsANeuronByItsId) {
  std::vector<TokenId> text;
  for (int i = 0; i < 100; ++i) text.push_back((i * 37 + 11) % 256);
  Plan shuffled;
  for (int l = 0; l < 2; ++l) {
    LayerPlan& layer = shuffled.layers.emplace_back();
    for (uint32_t i = 0; i < 288; ++i) layer.order.push_back((i * 35 + 7) % 288);
    layer.tier_end[0] = 0;
    layer.tier_end[1] = 288;
  }
  std::vector<SumObserver::Layer> expected;
  for (const int threads : {1, 3}) {
    for (const Plan& plan : {Plan{}, shuffled}) {
      EngineOptions options;
      options.threads = threads;
      const auto engine = OpenTiny({}, options);
      ASSERT_TRUE(engine != nullptr);
      EXPECT_OK(Wait([&](auto done) { engine->SetPlan(plan, done); }));
      const auto sums =
          std::make_shared<SumObserver>(engine->info().model.n_ff, SumOptions{{}, kSalt});
      sums->Label({kDocument}, {0});
      StepOptions step;
      step.observer = sums;
      step.mode = Mode::kExact;
      ASSERT_OK(StepNow(*engine, {{NewSession(*engine), text, {}}}, step));
      if (expected.empty()) expected = sums->layers();
      for (size_t l = 0; l < 2; ++l) {
        const SumObserver::Layer& layer = sums->layers()[l];
        EXPECT_TRUE(layer.fires == expected[l].fires);
        EXPECT_TRUE(layer.sketches == expected[l].sketches);
        EXPECT_TRUE(layer.magnitudes == expected[l].magnitudes || !plan.layers.empty());
        for (size_t i = 0; i < 288; ++i) {
          EXPECT_NEAR(layer.abs_sum[i], expected[l].abs_sum[i], 1e-4 * expected[l].abs_sum[i]);
        }
        EXPECT_TRUE(layer.abs_sum == expected[l].abs_sum || !plan.layers.empty());
      }
    }
  }
}

TEST(SumObserver, DownNormsAreReadOnceAndNotAfterClosing) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto first = engine->ReadDownNorms(nullptr);
  ASSERT_OK(first);
  EXPECT_EQ((*first)->size(), 2U);
  const auto second = engine->ReadDownNorms(nullptr);
  ASSERT_OK(second);
  EXPECT_TRUE(first->get() == second->get());
  engine->Close();
  EXPECT_STATUS(engine->ReadDownNorms(nullptr), StatusCode::kClosed);
}

}  // namespace
}  // namespace thermocline
