// How weights come into memory: what is reported, what ends it, and what it leaves behind.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/engine.h"
#include "engine/engine_testing.h"
#include "io/file.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::DemoModel;
using testing::NewSession;
using testing::OpenForTest;

const std::vector<TokenId> kTokens = {1, 17, 200, 4, 99};

// The demo model under another name, not in the system's cache.
class ColdModel {
 public:
  ColdModel() : file_("cold.gguf") {
    std::filesystem::copy_file(DemoModel(), file_.path());
    const int descriptor = ::open(file_.path().c_str(), O_RDONLY);
    (void)::fdatasync(descriptor);
#if defined(POSIX_FADV_DONTNEED)
    (void)::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
#endif
    ::close(descriptor);
  }
  const std::string& path() const { return file_.path(); }

 private:
  TemporaryFile file_;
};

std::vector<std::vector<float>> Logits(Engine& engine) {
  return AllLogits(engine, NewSession(engine), kTokens);
}

TEST(Load, TellsHowItWent) {
  const ColdModel model;
  const auto engine = OpenForTest(model.path());
  ASSERT_TRUE(engine != nullptr);
  const EngineInfo info = engine->info();
  uint64_t weights = 0;
  for (const TierMemory& tier : engine->memory()) {
    weights += tier.uses.at("weights");
    EXPECT_FALSE(tier.uses.contains("staging"));
  }
  EXPECT_EQ(info.weight_bytes, weights);
  EXPECT_GE(info.load.bytes, weights * 99 / 100);
  EXPECT_GT(info.load.seconds, 0);
  EXPECT_GT(info.load.staging_bytes, uint64_t{0});
  EXPECT_LE(info.load.staging_bytes, uint64_t{32} << 20);
  EXPECT_LE(info.huge_page_bytes.value_or(0), info.weight_bytes);
}

TEST(Load, StagingStaysWithinWhatWasPlanned) {
  const ColdModel model;
  EngineOptions options;
  options.ram_budget = OpenForTest(model.path())->memory().front().planned;
  const auto engine = OpenForTest(model.path(), options);
  ASSERT_TRUE(engine != nullptr);
  EXPECT_EQ(engine->memory().front().peak, engine->memory().front().planned);
}

TEST(Load, ProgressCountsTheBytesOfTheFile) {
  const ColdModel model;
  std::vector<LoadProgress> heard;
  EngineOptions options;
  options.progress = [&](const LoadProgress& progress) { heard.push_back(progress); };
  const auto engine = OpenForTest(model.path(), options);
  ASSERT_TRUE(engine != nullptr);
  ASSERT_TRUE(heard.size() >= 2);  // how often in between, load_list_test.cc asks
  EXPECT_EQ(heard.front().bytes, uint64_t{0});
  EXPECT_EQ(heard.back().bytes, heard.back().total);
  EXPECT_EQ(heard.back().total, engine->info().load.bytes);
  for (size_t i = 1; i < heard.size(); ++i) EXPECT_GE(heard[i].bytes, heard[i - 1].bytes);
}

TEST(Load, EndsWithinATenthOfASecondWhenCancelled) {
  const ColdModel model;
  std::atomic<bool> cancel{false};
  EngineOptions options;
  options.cancel = &cancel;
  std::chrono::steady_clock::time_point told;
  options.progress = [&](const LoadProgress&) {
    if (cancel) return;
    told = std::chrono::steady_clock::now();
    cancel = true;
  };
  EXPECT_STATUS(Engine::Open(model.path(), options), StatusCode::kAborted);
  EXPECT_TRUE(std::chrono::steady_clock::now() - told < std::chrono::milliseconds(100));
}

TEST(Load, AFileThatShrinksMeanwhileIsAnErrorThatNamesTheTensor) {
  for (const int threads : {1, 2, 4}) {
    const ColdModel model;
    EngineOptions options;
    options.threads = threads;
    options.progress = [&](const LoadProgress& progress) {
      if (progress.bytes == 0) std::filesystem::resize_file(model.path(), 6'000'000);
    };
    const Status status = Engine::Open(model.path(), options).status();
    EXPECT_STATUS(status, StatusCode::kIo);
    EXPECT_EQ(status.path(), model.path());
    EXPECT_NE(status.message().find("tensor '"), std::string::npos);
    EXPECT_NE(status.message().find("shortened"), std::string::npos);
  }
}

TEST(Load, LeavesTheCacheAsItWas) {
  const ColdModel model;
  const auto first = OpenForTest(model.path());
  ASSERT_TRUE(first != nullptr);
  const LoadReport cold = first->info().load;
  if (!cold.fallback.empty()) SKIP("here " + cold.fallback);
  if (cold.cached_bytes == cold.bytes) SKIP("this file system lies in memory");
  const LoadReport again = OpenForTest(model.path())->info().load;
  // What the system read ahead of the header and of the fingerprint's samples was there already.
  EXPECT_LT(again.cached_bytes, cold.cached_bytes + cold.bytes / 16);
}

TEST(Load, WarmAndColdGiveTheSameBits) {
  const ColdModel model;
  const auto cold = OpenForTest(model.path());
  ASSERT_TRUE(cold != nullptr);
  EXPECT_OK(ReadWholeFile(model.path(), uint64_t{1} << 30, StatusCode::kIo));
  for (const int threads : {1, 2, 3, 4}) {
    EngineOptions options;
    options.threads = threads;
    const auto warm = OpenForTest(model.path(), options);
    ASSERT_TRUE(warm != nullptr);
    EXPECT_TRUE(Logits(*warm) == Logits(*cold));
  }
}

TEST(Load, ReadsFromMemoryToo) {
  std::error_code error;
  const std::string path = "/dev/shm/thermocline-test-" + std::to_string(::getpid()) + ".gguf";
  std::filesystem::copy_file(DemoModel(), path, error);
  if (error) SKIP("/dev/shm cannot be written");
  const auto engine = OpenForTest(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(engine != nullptr);
  EXPECT_TRUE(Logits(*engine) == Logits(*OpenForTest(DemoModel())));
}

TEST(Load, ManyEnginesAtOnce) {
  const ColdModel model;
  const auto expected = Logits(*OpenForTest(model.path()));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      EngineOptions options;
      options.threads = t;
      const auto engine = Engine::Open(model.path(), options);
      if (!engine.ok() || Logits(**engine) != expected) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace thermocline
