#include "io/uncached_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::TempFolder;
using Way = UncachedFile::Way;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer MakeBuffer(uint64_t bytes) {
  void* memory = nullptr;
  if (::posix_memalign(&memory, UncachedFile::kAlignment, UncachedFile::BufferBytes(bytes)) != 0) {
    return nullptr;
  }
  return Buffer(static_cast<std::byte*>(memory));
}

std::string Noise(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// Whether [offset, offset + bytes) of `file` is what `expected` says, by `reader`.
bool Matches(UncachedFile& reader, const std::string& expected, uint64_t offset, uint64_t bytes) {
  const Buffer buffer = MakeBuffer(bytes);
  const auto read = reader.Read(offset, bytes, buffer.get());
  EXPECT_OK(read);
  return read.ok() && std::memcmp(*read, expected.data() + offset, bytes) == 0;
}

// Takes a file out of the system's cache; false where that cannot be done.
bool DropFromCache(const std::string& path) {
#if defined(POSIX_FADV_DONTNEED)
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  const bool done = ::fdatasync(descriptor) == 0 &&
                    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(descriptor);
  return done;
#else
  (void)path;
  return false;
#endif
}

TEST(UncachedFile, ReadsAnyRangeOfAnySizeOfFile) {
  const TempFolder folder;
  for (const size_t size : {1, 511, 4096, 4097, 12289, 70000}) {
    const std::string bytes = Noise(size);
    const auto file = File::Open(folder.Write("a", bytes));
    ASSERT_OK(file);
    for (const Way way : {Way::kPast, Way::kThrough}) {
      for (const bool drop : {true, false}) {
        UncachedFile reader(*file, way);
        for (const uint64_t from : {0, 1, 31, 4095, 4096, 8191, 69999}) {
          for (const uint64_t n : {1, 32, 4096, 5000, 65536}) {
            if (from + n > size) continue;
            if (drop) DropFromCache(file->path());
            EXPECT_TRUE(Matches(reader, bytes, from, n));
          }
          if (from < size) EXPECT_TRUE(Matches(reader, bytes, from, size - from));
        }
      }
    }
  }
}

TEST(UncachedFile, CountsTheWayOfEveryByte) {
  const TempFolder folder;
  const std::string bytes = Noise(1 << 20);
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  UncachedFile reader(*file);
  if (!reader.fallback().empty()) SKIP("here " + reader.fallback());
  ASSERT_TRUE(DropFromCache(file->path()));
  EXPECT_TRUE(Matches(reader, bytes, 100, 500'000));
  const ReadCounts cold = reader.counts();
  if (cold.cached > 0) SKIP("this file system lies in memory");
  EXPECT_EQ(cold.direct, 500'000U);
  // What was read past the cache is not in it: the same again comes from the drive.
  EXPECT_TRUE(Matches(reader, bytes, 100, 500'000));
  EXPECT_EQ(reader.counts().direct, 1'000'000U);
  // What somebody else brought there is taken.
  std::string all(bytes.size(), '\0');
  ASSERT_OK(file->Read(0, std::as_writable_bytes(std::span(all))));
  EXPECT_TRUE(Matches(reader, bytes, 100, 500'000));
  const ReadCounts warm = reader.counts();
  EXPECT_EQ(warm.direct + warm.cached, 1'500'000U);
  if (warm.cached == 0) SKIP("this system does not tell what its cache holds");
  EXPECT_EQ(warm.cached, 500'000U);
}

TEST(UncachedFile, ReadsThroughTheCacheAreLetGoOf) {
  const TempFolder folder;
  const std::string bytes = Noise(1 << 20);
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  ASSERT_TRUE(DropFromCache(file->path()));
  UncachedFile through(*file, Way::kThrough);
  EXPECT_NE(through.fallback(), "");
  EXPECT_TRUE(Matches(through, bytes, 0, bytes.size()));
  if (through.counts().cached > 0) SKIP("this file system lies in memory");
  EXPECT_EQ(through.counts().through, bytes.size());
  UncachedFile past(*file);
  if (!past.fallback().empty()) SKIP("here " + past.fallback());
  EXPECT_TRUE(Matches(past, bytes, 0, bytes.size()));
  EXPECT_EQ(past.counts().direct, bytes.size());  // it is not there any more
}

TEST(UncachedFile, FilesThatShrankAreErrors) {
  const TempFolder folder;
  for (const Way way : {Way::kPast, Way::kThrough}) {
    for (const uint64_t cut : {0, 1, 4096, 5000, 8191}) {
      const auto file = File::Open(folder.Write("a", Noise(20000)));
      ASSERT_OK(file);
      std::filesystem::resize_file(file->path(), cut);
      UncachedFile reader(*file, way);
      const Buffer buffer = MakeBuffer(20000);
      const auto read = reader.Read(4096, 15000, buffer.get());
      EXPECT_STATUS(read, StatusCode::kIo);
      EXPECT_EQ(read.status().path(), file->path());
      EXPECT_NE(read.status().message().find("shortened"), std::string::npos);
    }
  }
}

TEST(UncachedFile, ReadsTheFileThatWasOpenedThoughItsNameIsTakenByAnother) {
  const TempFolder folder;
  const std::string bytes = Noise(9000);
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  std::filesystem::rename(folder.Write("b", std::string(9000, 'x')), folder.path() + "/a");
  UncachedFile reader(*file);
  EXPECT_TRUE(Matches(reader, bytes, 17, 8000));
  std::filesystem::remove(folder.path() + "/a");
  UncachedFile unlinked(*file);
  EXPECT_TRUE(Matches(unlinked, bytes, 17, 8000));
}

// Files that the kernel makes up have no drive to read past a cache from.
TEST(UncachedFile, FileSystemsWithoutDirectReadsAreReadAllTheSame) {
  const std::string path = "/sys/kernel/notes";
  const auto file = File::Open(path);
  if (!file.ok() || file->size() == 0) SKIP("no file without direct reads here");
  std::string bytes(file->size(), '\0');
  if (!file->Read(0, std::as_writable_bytes(std::span(bytes))).ok()) SKIP(path + " is not read");
  UncachedFile reader(*file);
  EXPECT_TRUE(Matches(reader, bytes, 0, bytes.size()));
  EXPECT_TRUE(Matches(reader, bytes, 3, bytes.size() - 5));
  EXPECT_NE(reader.fallback().find("O_DIRECT"), std::string::npos);
  EXPECT_EQ(reader.counts().direct, 0U);
}

// A file system in memory may take direct reads and may refuse them.
TEST(UncachedFile, ReadsFromMemory) {
  std::error_code error;
  if (!std::filesystem::is_directory("/dev/shm", error)) SKIP("no /dev/shm here");
  std::string path = "/dev/shm/thermocline-test-XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) SKIP("/dev/shm cannot be written");
  const std::string bytes = Noise(300'001);
  const bool written = ::write(descriptor, bytes.data(), bytes.size()) ==
                       static_cast<ssize_t>(bytes.size());
  ::close(descriptor);
  const auto file = File::Open(path);
  ::unlink(path.c_str());
  ASSERT_TRUE(written);
  ASSERT_OK(file);
  UncachedFile reader(*file);
  EXPECT_TRUE(Matches(reader, bytes, 0, bytes.size()));
  EXPECT_TRUE(Matches(reader, bytes, 12345, 200'000));
}

TEST(UncachedFile, IsReadByManyThreads) {
  const TempFolder folder;
  const std::string bytes = Noise(400'000);
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  DropFromCache(file->path());
  UncachedFile reader(*file);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Buffer buffer = MakeBuffer(50'000);
      for (uint64_t at = t * 777; at + 50'000 < bytes.size(); at += 13'331) {
        const auto read = reader.Read(at, 50'000, buffer.get());
        if (!read.ok() || std::memcmp(*read, bytes.data() + at, 50'000) != 0) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace thermocline
