#include "tiers/load_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <new>
#include <numeric>
#include <thread>

#include "backends/layout.h"
#include "io/gguf_reader.h"
#include "io/test_files.h"
#include "tiers/weight_loader.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::GgufBytes;
using testing::TempFolder;

constexpr uint32_t kGgufF32 = 0;

struct Shape {
  std::string name;
  int64_t rows, cols;
};

// A file of F32 matrices whose elements count up, from the first tensor's first to the last's last.
class Subject {
 public:
  explicit Subject(const std::vector<Shape>& shapes, uint64_t alignment = 32) {
    GgufBytes gguf;
    gguf.String("general.architecture", "llama");
    gguf.U32("general.alignment", static_cast<uint32_t>(alignment));
    std::string data;
    for (const Shape& shape : shapes) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      gguf.Tensor(shape.name,
                  {static_cast<uint64_t>(shape.cols), static_cast<uint64_t>(shape.rows)}, kGgufF32,
                  data.size());
      std::vector<float> values(static_cast<size_t>(shape.rows * shape.cols));
      std::iota(values.begin(), values.end(), static_cast<float>(values_));
      data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      values_ += values.size();
    }
    std::string bytes = gguf.Build(0, alignment);
    bytes += data;
    path_ = folder_.Write("model.gguf", bytes);
    auto opened = OpenGguf(path_, OpenPurpose::kLoad);
    EXPECT_OK(opened);
    if (opened.ok()) file_ = std::move(*opened);
    DropFromCache();
  }

  // A list that puts every tensor, one after the other, at `out`.
  LoadList List(float* out, int64_t step = 1) const {
    LoadList list;
    std::vector<const TensorInfo*> tensors;
    for (const TensorInfo& tensor : file_->tensors()) tensors.push_back(&tensor);
    std::sort(tensors.begin(), tensors.end(),
              [](const auto* a, const auto* b) { return a->offset < b->offset; });
    std::reverse(tensors.begin(), tensors.end());  // the order of the file is the list's own affair
    float* at = out + values_;
    for (const TensorInfo* const tensor : tensors) {
      const int64_t cols = tensor->shape.back();
      at -= tensor->elements();
      list.Add(*file_, *tensor, 0, tensor->shape.front(), step,
               [at, cols](int64_t first, int64_t n, const std::byte* rows) {
                 std::memcpy(at + first * cols, rows, static_cast<size_t>(n * cols) * 4);
               });
    }
    return list;
  }

  void DropFromCache() const {
#if defined(POSIX_FADV_DONTNEED)
    const int descriptor = ::open(path_.c_str(), O_RDONLY);
    (void)::fdatasync(descriptor);
    (void)::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
#endif
  }

  const ModelFile& file() const { return *file_; }
  const std::string& path() const { return path_; }
  size_t values() const { return values_; }

 private:
  TempFolder folder_;
  std::string path_;
  std::unique_ptr<ModelFile> file_;
  size_t values_ = 0;
};

// Rows of 4 KiB in several pieces, rows that no block divides, a vector, a single value.
std::vector<Shape> Mixed() {
  return {{"a", 700, 1024}, {"b", 333, 77}, {"c", 1, 5000}, {"d", 1, 1}, {"e", 900, 1000}};
}

bool CountsUp(const std::vector<float>& values) {
  float next = 0;
  for (const float value : values) {
    if (value != next++) return false;
  }
  return true;
}

TEST(LoadList, ReadsEveryRowWhateverTheThreadsReadersAndPlaces) {
  for (const uint64_t alignment : {8, 32, 4096}) {
    if (testing::IsSlow() && alignment == 32) continue;
    const Subject subject(Mixed(), alignment);
    for (const int threads : {1, 2, 4}) {
      for (const int readers : {1, 3, 8}) {
        for (const bool past_cache : {true, false}) {
          std::vector<float> values(subject.values(), -1);
          LoadList list = subject.List(values.data());
          EXPECT_EQ(list.bytes(), values.size() * 4);
          const auto report =
              list.Run({.threads = threads, .readers = readers, .past_cache = past_cache});
          ASSERT_OK(report);
          EXPECT_TRUE(CountsUp(values));
          EXPECT_EQ(report->bytes, values.size() * 4);
          EXPECT_LE(report->readers, readers);
          EXPECT_EQ(list.bytes(), 0U);
          EXPECT_EQ(report->fallback.empty(), past_cache);
        }
      }
    }
  }
}

TEST(LoadList, OneReaderTakesRowsInTheOrderOfTheFile) {
  const Subject subject(Mixed());
  std::vector<float> firsts;
  LoadList list;
  for (const TensorInfo& tensor : subject.file().tensors()) {
    list.Add(subject.file(), tensor, 0, tensor.shape.front(), 1,
             [&](int64_t, int64_t, const std::byte* rows) {
               float value = 0;
               std::memcpy(&value, rows, 4);
               firsts.push_back(value);
             });
  }
  ASSERT_OK(list.Run({.readers = 1}));
  EXPECT_GT(firsts.size(), size_t{5});
  EXPECT_TRUE(std::is_sorted(firsts.begin(), firsts.end()));
}

TEST(LoadList, PiecesAreMultiplesOfTheStep) {
  const Subject subject({{"a", 1000, 600}});
  for (const int64_t step : {1, 32, 128, 5000}) {
    std::mutex mutex;
    std::vector<int64_t> taken(1000, 0);
    bool whole = true;
    LoadList list;
    list.Add(subject.file(), subject.file().tensors()[0], 40, 900, step,
             [&](int64_t first, int64_t n, const std::byte*) {
               const std::lock_guard lock(mutex);
               whole = whole && (first - 40) % step == 0 && (n % step == 0 || first + n == 940);
               for (int64_t i = first; i < first + n; ++i) ++taken[static_cast<size_t>(i)];
             });
    ASSERT_OK(list.Run({.threads = 2}));
    EXPECT_TRUE(whole);
    for (int64_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(taken[static_cast<size_t>(i)], i >= 40 && i < 940 ? 1 : 0);
    }
  }
}

TEST(LoadList, NoMorePackThanThereAreThreads) {
  const Subject subject({{"a", 3000, 1024}});
  for (const int threads : {1, 2}) {
    std::atomic<int> packing{0}, most{0};
    LoadList list;
    list.Add(subject.file(), subject.file().tensors()[0], 0, 3000, 1,
             [&](int64_t, int64_t, const std::byte*) {
               const int now = ++packing;
               int before = most;
               while (before < now && !most.compare_exchange_weak(before, now)) {
               }
               std::this_thread::sleep_for(std::chrono::milliseconds(2));
               --packing;
             });
    ASSERT_OK(list.Run({.threads = threads}));
    EXPECT_LE(most.load(), threads);
  }
}

TEST(LoadList, LeavesNothingInTheCache) {
  const Subject subject(Mixed());
  for (const bool past_cache : {true, false, true}) {
    std::vector<float> values(subject.values());
    const auto report = subject.List(values.data()).Run({.past_cache = past_cache});
    ASSERT_OK(report);
    if (past_cache && !report->fallback.empty()) SKIP("here " + report->fallback);
    if (report->cached_bytes == report->bytes) SKIP("this file system lies in memory");
    // Pages at the edges of pieces may stay when reads went through the cache.
    EXPECT_LT(report->cached_bytes, report->bytes / 10);
  }
}

TEST(LoadList, WhatTheCacheHoldsIsTakenFromThere) {
  const Subject subject(Mixed());
  EXPECT_TRUE(!testing::ReadBytes(subject.path()).empty());
  std::vector<float> values(subject.values());
  const auto report = subject.List(values.data()).Run({});
  ASSERT_OK(report);
  EXPECT_TRUE(CountsUp(values));
  if (report->cached_bytes == 0) SKIP("this system does not tell what its cache holds");
  EXPECT_EQ(report->cached_bytes, report->bytes);
}

// Reports so far, for takers to wait for. They give up in the end, so that a test fails instead of
// hanging.
class Reports {
 public:
  void Add() {
    {
      const std::lock_guard lock(mutex_);
      ++n_;
    }
    added_.notify_all();
  }
  void WaitForMoreThan(int n) {
    std::unique_lock lock(mutex_);
    added_.wait_for(lock, std::chrono::seconds(20), [this, n] { return n_ > n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable added_;
  int n_ = 0;
};

TEST(LoadList, ProgressGoesUpToTheWholeHoweverLongAPieceTakes) {
  const Subject subject({{"a", 700, 1024}});  // 3 pieces
  Reports heard;
  std::vector<LoadProgress> reports;
  std::vector<std::thread::id> from;
  LoadOptions options{.threads = 2};
  options.progress = [&](const LoadProgress& progress) {
    reports.push_back(progress);
    from.push_back(std::this_thread::get_id());
    heard.Add();
    return Status::Ok();
  };
  LoadList list;
  list.Add(subject.file(), subject.file().tensors()[0], 0, 700, 1,
           [&](int64_t, int64_t, const std::byte*) { heard.WaitForMoreThan(3); });
  ASSERT_OK(list.Run(options));
  ASSERT_TRUE(reports.size() > 4);
  EXPECT_EQ(reports.front().bytes, 0U);
  EXPECT_EQ(reports[3].bytes, 0U);
  EXPECT_EQ(reports.back().bytes, subject.values() * 4);
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_TRUE(from[i] == std::this_thread::get_id());
    EXPECT_EQ(reports[i].total, subject.values() * 4);
    if (i == 0) continue;
    EXPECT_GE(reports[i].bytes, reports[i - 1].bytes);
    EXPECT_GE(reports[i].seconds, reports[i - 1].seconds);
  }
}

TEST(LoadList, EndsAtOnceWhenToldTo) {
  const Subject subject({{"a", 16'000, 1024}});  // 62 pieces
  for (const int allowed : {0, 1, 3}) {
    std::atomic<int> taken{0};
    int n = 0;
    Reports heard;
    LoadOptions options{.threads = 2};
    options.progress = [&](const LoadProgress&) {
      heard.Add();
      return n++ < allowed ? Status::Ok() : Status(StatusCode::kAborted, "enough");
    };
    LoadList list;
    list.Add(subject.file(), subject.file().tensors()[0], 0, 16'000, 1,
             [&](int64_t, int64_t, const std::byte*) {
               ++taken;
               heard.WaitForMoreThan(allowed);
               std::this_thread::sleep_for(std::chrono::milliseconds(5));
             });
    EXPECT_STATUS(list.Run(options), StatusCode::kAborted);
    if (allowed == 0) EXPECT_EQ(taken.load(), 0);
    EXPECT_LT(taken.load(), 62);
  }
}

TEST(LoadList, ErrorsNameTheFileAndTheTensor) {
  for (const bool past_cache : {true, false}) {
    const Subject subject(Mixed());
    const TensorInfo& last = *subject.file().Find("e");
    std::filesystem::resize_file(subject.path(), last.offset + last.bytes / 2);
    std::vector<float> values(subject.values());
    const Status status =
        subject.List(values.data()).Run({.threads = 2, .past_cache = past_cache}).status();
    EXPECT_STATUS(status, StatusCode::kIo);
    EXPECT_EQ(status.path(), subject.path());
    EXPECT_NE(status.message().find("'e'"), std::string::npos);
    EXPECT_NE(status.message().find("shortened"), std::string::npos);
  }
}

TEST(LoadList, FilesThatShrinkWhileTheyAreReadAreErrors) {
  const Subject subject({{"a", 20'000, 512}});
  std::atomic<int> taken{0};
  LoadList list;
  list.Add(subject.file(), subject.file().tensors()[0], 0, 20'000, 1,
           [&](int64_t, int64_t, const std::byte*) {
             if (++taken == 3) std::filesystem::resize_file(subject.path(), 4000);
           });
  EXPECT_STATUS(list.Run({.threads = 2, .readers = 2}), StatusCode::kIo);
}

TEST(LoadList, StagingIsBounded) {
  const Subject subject({{"a", 20'000, 512}});
  std::vector<float> values(subject.values());
  for (const uint64_t limit : {uint64_t{0}, uint64_t{3} << 20, uint64_t{32} << 20}) {
    const auto report = subject.List(values.data()).Run({.staging_bytes = limit});
    ASSERT_OK(report);
    EXPECT_LE(report->staging_bytes, std::max(limit, uint64_t{2} << 20));
    EXPECT_GE(report->readers, 1);
  }
}

TEST(LoadList, StagingTakesWhatTheBudgetLeaves) {
  const Subject subject({{"a", 20'000, 512}});
  std::vector<float> values(subject.values());
  const auto accountant = std::make_shared<Accountant>(Tier::kCpu, 3 << 20);
  const auto report =
      subject.List(values.data()).Run({.threads = 2, .accountant = accountant.get()});
  ASSERT_OK(report);
  EXPECT_TRUE(CountsUp(values));
  EXPECT_LE(report->staging_bytes, uint64_t{3} << 20);
  EXPECT_EQ(accountant->memory().peak, report->staging_bytes);
  EXPECT_EQ(accountant->memory().used, 0U);
  const auto small = std::make_shared<Accountant>(Tier::kCpu, 1000);
  EXPECT_STATUS(subject.List(values.data()).Run({.accountant = small.get()}),
                StatusCode::kOutOfMemory);
}

TEST(LoadList, MemoryThatRunsOutIsAnError) {
  const Subject subject(Mixed());
  LoadList list;
  list.Add(subject.file(), *subject.file().Find("b"), 0, 333, 1,
           [](int64_t, int64_t, const std::byte*) { throw std::bad_alloc(); });
  const Status status = list.Run({.threads = 2}).status();
  EXPECT_STATUS(status, StatusCode::kOutOfMemory);
  EXPECT_NE(status.message().find("'b'"), std::string::npos);
}

TEST(LoadList, NothingIsReadAtOnce) {
  LoadList list;
  const auto report = list.Run({});
  ASSERT_OK(report);
  EXPECT_EQ(report->bytes, 0U);
}

TEST(LoadList, ManyRunAtOnce) {
  const Subject subject(Mixed());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<float> values(subject.values());
      if (!subject.List(values.data()).Run({.threads = 2}).ok() || !CountsUp(values)) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(WeightLoader, ValuesGoWhereTheirNeuronsGo) {
  const Subject subject({{"v", 1, 8}, {"m", 8, 4}});
  const auto row_of = std::make_shared<const std::vector<uint32_t>>(
      std::vector<uint32_t>{kNoRow, 2, 0, kNoRow, 1});
  std::vector<float> vector(3, -1), matrix(12, -1);
  LoadList list;
  const TensorInfo& v = *subject.file().Find("v");
  const TensorInfo& m = *subject.file().Find("m");
  ASSERT_OK(AddVector(subject.file(), v, 2, 5, row_of, vector.data(), list));
  AddRows(subject.file(), m, 2, 5, row_of, reinterpret_cast<std::byte*>(matrix.data()), 16, list);
  ASSERT_OK(list.Run({.threads = 2}));
  EXPECT_TRUE(vector == (std::vector<float>{4, 6, 3}));
  EXPECT_TRUE(matrix == (std::vector<float>{24, 25, 26, 27, 32, 33, 34, 35, 20, 21, 22, 23}));
}

}  // namespace
}  // namespace thermocline
