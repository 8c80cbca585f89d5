#include "probe/drive_probe.h"

#include <filesystem>

#include "probe/test_file.h"
#include "util/huge_buffer.h"
#include "util/testing.h"

#if defined(__linux__)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace thermocline {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMiB = 1U << 20;

// An empty folder that is gone in the end.
struct Folder {
  explicit Folder(const std::string& name)
      : path(fs::temp_directory_path().string() + "/thermocline-" + name) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  const std::string path;
};

DriveProbeOptions Quick(const std::string& folder) {
  DriveProbeOptions options;
  options.folder = folder;
  options.file_bytes = 16 * kMiB;
  options.entry_seconds = 0.01;
  return options;
}

TEST(DriveProbe, MeasuresEveryEntryAndLeavesNothingBehind) {
  const Folder folder("drive-probe");
  DriveProbeOptions options = Quick(folder.path);
  double last = 0;
  options.progress = [&](double fraction) {
    EXPECT_GE(fraction, last);
    EXPECT_LE(fraction, 1.0);
    last = fraction;
  };
  auto rates = MeasureDrive(options);
  EXPECT_TRUE(fs::is_empty(folder.path));
  if (!rates.ok()) SKIP(rates.status().message());
  EXPECT_GT(rates->sequential, 1e6);
  EXPECT_GT(rates->latency_seconds, 0.0);
  EXPECT_GT(last, 0.9);
  ASSERT_EQ(rates->random.size(), size_t{35});
  for (size_t i = 0; i < rates->random.size(); ++i) {
    const DriveRate& rate = rates->random[i];
    EXPECT_GT(rate.bytes_per_second, 1e4);
    if (i == 0) continue;
    const DriveRate& before = rates->random[i - 1];
    EXPECT_TRUE(std::pair(before.block_bytes, before.depth) <
                std::pair(rate.block_bytes, rate.depth));
  }
}

TEST(DriveProbe, NamesTheReason) {
  EXPECT_STATUS(MeasureDrive(Quick("/no/such/folder")), StatusCode::kIo);
  DriveProbeOptions small = Quick(fs::temp_directory_path().string());
  small.file_bytes = kMiB;
  EXPECT_STATUS(MeasureDrive(small), StatusCode::kInvalidArgument);
}

TEST(DriveProbe, RefusesAFolderInMemory) {
  const std::string folder = "/dev/shm";
  if (!fs::is_directory(folder)) SKIP("there is no /dev/shm");
  const Status status = MeasureDrive(Quick(folder)).status();
  EXPECT_STATUS(status, StatusCode::kIo);
  EXPECT_TRUE(status.message().find("memory") != std::string::npos);
}

TEST(DriveProbe, CanBeAborted) {
  const std::atomic<bool> cancel{true};
  const Folder folder("drive-abort");
  DriveProbeOptions options = Quick(folder.path);
  options.cancel = &cancel;
  const Status status = MeasureDrive(options).status();
  EXPECT_TRUE(fs::is_empty(folder.path));
  if (status.code() == StatusCode::kIo) SKIP(status.message());
  EXPECT_STATUS(status, StatusCode::kAborted);
}

TEST(TestFile, ReadsBackWhatWasWritten) {
  const Folder folder("test-file");
  auto file = TestFile::Create(folder.path);
  if (!file.ok()) SKIP(file.status().message());
  ASSERT_OK(file->Write(16 * kMiB, nullptr));
  EXPECT_EQ(file->bytes(), 16 * kMiB);
  auto block = HugeBuffer::Allocate(8192);
  ASSERT_OK(block);
  EXPECT_EQ(file->Read(3 * kMiB, 8192, block->data()), 0);
  int zeros = 0;
  for (size_t i = 0; i < block->size(); ++i) zeros += block->data()[i] == std::byte{0};
  EXPECT_LT(zeros, 200);  // noise
  EXPECT_NE(file->Read(16 * kMiB, 4096, block->data()), 0);  // past the end
}

#if defined(__linux__)
TEST(TestFile, IsGoneWhenTheProgramIsKilled) {
  const Folder folder("test-file-kill");
  auto here = TestFile::Create(folder.path);
  if (!here.ok()) SKIP(here.status().message());
  EXPECT_TRUE(fs::is_empty(folder.path));  // while it is open, too
  const pid_t child = fork();
  ASSERT_TRUE(child >= 0);
  if (child == 0) {
    auto file = TestFile::Create(folder.path);
    if (file.ok()) (void)file->Write(16 * kMiB, nullptr);
    (void)kill(getpid(), SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(fs::is_empty(folder.path));
}
#endif

}  // namespace
}  // namespace thermocline
