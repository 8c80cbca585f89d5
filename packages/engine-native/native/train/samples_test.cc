#include "train/samples.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "io/test_files.h"
#include "train/samples_testing.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;

SampleShard RandomShard(uint32_t seed, int64_t rows, int64_t width = 40, int64_t neurons = 21) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  SampleShard shard(width, neurons);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<float> state(static_cast<size_t>(width)), h(static_cast<size_t>(neurons));
    for (float& value : state) value = F16ToF32(F32ToF16(normal(random)));
    for (float& value : h) value = std::max(0.0F, F16ToF32(F32ToF16(normal(random) - 0.5F)));
    shard.Add(state, h);
  }
  return shard;
}

TEST(Samples, ExpandsRowsInAnyOrderOverShards) {
  const TempFolder folder;
  const SampleShard first = RandomShard(1, 9);
  const SampleShard second = RandomShard(2, 30);
  const auto reader = SampleReader::Open({folder.Write("0", first.Bytes()),
                                          folder.Write("1", second.Bytes())});
  ASSERT_OK(reader);
  EXPECT_EQ(reader->rows(), 39);
  EXPECT_EQ(reader->d_model(), 40);
  EXPECT_EQ(reader->n_ff(), 21);
  EXPECT_EQ(reader->layer(), 1);
  EXPECT_EQ(reader->firing(), first.values.size() + second.values.size());

  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < 39; ++i) rows.push_back(38 - i);
  std::vector<float> x(39 * 40), h(39 * 21);
  ThreadPool pool(2);
  reader->Expand(rows, x.data(), h.data(), pool);
  for (size_t i = 0; i < rows.size(); ++i) {
    const SampleShard& shard = rows[i] < 9 ? first : second;
    const size_t row = rows[i] < 9 ? rows[i] : rows[i] - 9;
    for (size_t c = 0; c < 40; ++c) EXPECT_EQ(x[i * 40 + c], F16ToF32(shard.x[row * 40 + c]));
    auto value = static_cast<size_t>(shard.offsets[row]);
    for (size_t n = 0; n < 21; ++n) {
      const bool fires = (shard.fires[row * 3 + n / 8] >> (n % 8) & 1) != 0;
      EXPECT_EQ(h[i * 21 + n], fires ? F16ToF32(shard.values[value]) : 0.0F);
      value += fires ? 1 : 0;
    }
  }
}

TEST(Samples, KeepsNeuronsThatFiredTooFaintlyForF16) {
  const TempFolder folder;
  SampleShard shard(2, 9);
  shard.Add({1, 2}, {0, 1e-12F, 0, 0, 0, 0, 0, 0, 2});
  const auto reader = SampleReader::Open({folder.Write("0", shard.Bytes())});
  ASSERT_OK(reader);
  std::vector<float> h(9);
  ThreadPool pool(1);
  const uint32_t row = 0;
  reader->Expand({&row, 1}, nullptr, h.data(), pool);
  EXPECT_EQ(h[1], SampleReader::kFaintest);
  EXPECT_EQ(h[8], 2.0F);
  EXPECT_EQ(h[0], 0.0F);
}

TEST(Samples, TakesShardsWithoutRows) {
  const TempFolder folder;
  const auto reader = SampleReader::Open({folder.Write("0", SampleShard(8, 8).Bytes())});
  ASSERT_OK(reader);
  EXPECT_EQ(reader->rows(), 0);
  EXPECT_EQ(reader->firing(), 0U);
}

// Each damage alone is refused with its code and the file's path.
TEST(Samples, RefusesDamagedFiles) {
  const TempFolder folder;
  const auto code_of = [&](const std::function<void(SampleShard&)>& damage) {
    SampleShard shard = RandomShard(3, 5);
    damage(shard);
    const std::string path = folder.Write("0", shard.Bytes());
    const Status status = SampleReader::Open({path}).status();
    EXPECT_TRUE(status.ok() || status.path() == path);
    return status.code();
  };
  const auto corrupt = StatusCode::kArtifactCorrupt;
  EXPECT_EQ(code_of([](SampleShard&) {}), StatusCode::kOk);
  EXPECT_EQ(code_of([](SampleShard& s) { s.metadata["format"] = "thermocline.predictor-set"; }),
            StatusCode::kArtifactFormat);
  EXPECT_EQ(code_of([](SampleShard& s) { s.metadata["format_version"] = "2"; }),
            StatusCode::kArtifactVersion);
  for (const char* key : {"fingerprint", "layer", "model"}) {
    EXPECT_EQ(code_of([&](SampleShard& s) { s.metadata.erase(key); }), corrupt);
  }
  for (const char* layer : {"2", "-1", "1.5", "x", "[]"}) {
    EXPECT_EQ(code_of([&](SampleShard& s) { s.metadata["layer"] = layer; }), corrupt);
  }
  for (const char* model : {"{}", "[]", "{\"d_model\":40,\"n_ff\":[7,25]}",
                            "{\"d_model\":48,\"n_ff\":[7,21]}", "{\"d_model\":40,\"n_ff\":[7,-1]}",
                            "{\"d_model\":40,\"n_ff\":{\"a\":7,\"b\":21}}",
                            "{\"d_model\":40,\"n_ff\":[7,99999999999]}"}) {
    EXPECT_EQ(code_of([&](SampleShard& s) { s.metadata["model"] = model; }), corrupt);
  }
  EXPECT_EQ(code_of([](SampleShard& s) { s.x[3] = 0x7C00; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.x[3] = 0xFE00; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.values[0] = 0x7C00; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.values[0] = 0xBC00; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.values.pop_back(); }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.values.push_back(0); }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.fires[2] |= 0x80; }), corrupt);  // beyond n_ff
  EXPECT_EQ(code_of([](SampleShard& s) { s.fires[0] ^= 1; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.fires.pop_back(); }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.offsets[2] = INT64_MIN; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.offsets[0] = 1; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.offsets[2] = s.offsets[3] + 1; }), corrupt);
  EXPECT_EQ(code_of([](SampleShard& s) { s.offsets.push_back(s.offsets.back()); }), corrupt);
}

TEST(Samples, RefusesFilesThatDoNotBelongTogether) {
  const TempFolder folder;
  const SampleShard shard = RandomShard(4, 3);
  SampleShard other = shard;
  other.metadata["fingerprint"] = "beef";
  const std::string path = folder.Write("0", shard.Bytes());
  EXPECT_STATUS(SampleReader::Open({path, folder.Write("1", other.Bytes())}),
                StatusCode::kArtifactModelMismatch);
  EXPECT_STATUS(SampleReader::Open({}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(SampleReader::Open({path + ".none"}), StatusCode::kFileNotFound);
}

TEST(Samples, RefusesShortFiles) {
  const TempFolder folder;
  const std::string bytes = RandomShard(5, 4).Bytes();
  for (size_t n = 0; n < bytes.size(); n += 13) {
    EXPECT_STATUS(SampleReader::Open({folder.Write("0", bytes.substr(0, n))}),
                  StatusCode::kArtifactCorrupt);
  }
}

// Whatever bytes change, the file is refused or gives rows that lie within it.
TEST(Samples, SurvivesDamageAnywhere) {
  const TempFolder folder;
  const std::string bytes = RandomShard(6, 6).Bytes();
  std::mt19937 random(1);
  ThreadPool pool(1);
  int opened = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = bytes;
    for (uint32_t i = random() % 4 + 1; i > 0; --i) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto reader = SampleReader::Open({folder.Write("0", damaged)});
    if (!reader.ok()) continue;
    ++opened;
    std::vector<uint32_t> rows(static_cast<size_t>(reader->rows()));
    std::iota(rows.begin(), rows.end(), 0U);
    std::vector<float> x(rows.size() * static_cast<size_t>(reader->d_model()));
    std::vector<float> h(rows.size() * static_cast<size_t>(reader->n_ff()));
    reader->Expand(rows, x.data(), h.data(), pool);
    EXPECT_TRUE(std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); }));
    EXPECT_TRUE(std::all_of(h.begin(), h.end(), [](float v) { return std::isfinite(v) && v >= 0; }));
  }
  EXPECT_GT(opened, 100);  // states and values may be any finite numbers
}

TEST(Samples, RefusesShardsWithTooManyRows) {
  const TempFolder folder;
  SampleShard shard(1, 1);
  for (int i = 0; i < 8193; ++i) shard.Add({0}, {0});
  EXPECT_STATUS(SampleReader::Open({folder.Write("0", shard.Bytes())}),
                StatusCode::kArtifactCorrupt);
}

}  // namespace
}  // namespace thermocline
