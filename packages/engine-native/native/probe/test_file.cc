#include "probe/test_file.h"

#include <cerrno>
#include <cstring>
#include <span>

#include "probe/measuring.h"
#include "util/huge_buffer.h"

#if defined(__linux__)
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>
#endif

namespace thermocline {

#if defined(__linux__)
namespace {

constexpr uint64_t kChunk = 1U << 20;
constexpr uint64_t kMinBytes = 16 * kChunk;
constexpr double kWriteSeconds = 3;

Status SystemError(const std::string& what, int error, const std::string& path) {
  return Status(StatusCode::kIo, what + ": " + std::strerror(error), path);
}

// tmpfs takes O_DIRECT on new kernels, and is no drive.
Status RefuseMemory(const std::string& folder) {
  struct statfs system {};
  if (statfs(folder.c_str(), &system) != 0) {
    return SystemError("the folder cannot be reached", errno, folder);
  }
  constexpr uint32_t kTmpfs = 0x01021994;
  constexpr uint32_t kRamfs = 0x858458F6;
  const auto type = static_cast<uint32_t>(system.f_type);
  if (type != kTmpfs && type != kRamfs) return Status::Ok();
  return Status(StatusCode::kIo, "this folder lies in memory; name one on a drive", folder);
}

int OpenNameless(const std::string& folder) {
  const int nameless = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0) return nameless;
  std::string path = folder + "/thermocline-probe-XXXXXX";
  const int named = mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) unlink(path.c_str());
  return named;
}

void FillNoise(std::span<std::byte> data, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (uint64_t at = 0; at + 8 <= data.size(); at += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(data.data() + at, &state, 8);
  }
}

// 0 or an errno.
int WriteAll(int descriptor, std::span<const std::byte> data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    data = data.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

}  // namespace

Result<TestFile> TestFile::Create(const std::string& folder) {
  RETURN_IF_ERROR(RefuseMemory(folder));
  TestFile file(folder, OpenNameless(folder));
  if (file.descriptor_ < 0) return SystemError("no test file could be made", errno, folder);
  // Not at once in open(2), which may make a file, refuse, and leave it behind.
  const int flags = fcntl(file.descriptor_, F_GETFL);
  if (flags < 0 || fcntl(file.descriptor_, F_SETFL, flags | O_DIRECT) != 0) {
    return SystemError("its file system does not read past its cache (O_DIRECT)", errno, folder);
  }
  return file;
}

TestFile::~TestFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status TestFile::Write(uint64_t bytes, const std::atomic<bool>* cancel) {
  ASSIGN_OR_RETURN(const HugeBuffer chunk, HugeBuffer::Allocate(kChunk));
  const std::span<std::byte> data(chunk.data(), kChunk);
  const auto end = Clock::now() + std::chrono::duration<double>(kWriteSeconds);
  int error = 0;
  for (bytes_ = 0; error == 0 && bytes_ < bytes; bytes_ += kChunk) {
    if (cancel != nullptr && *cancel) {
      return AbortedStatus();
    }
    if (bytes_ >= kMinBytes && Clock::now() > end) break;
    FillNoise(data, bytes_ + 1);
    error = WriteAll(descriptor_, data, bytes_);
  }
  if (error == 0 && fsync(descriptor_) != 0) error = errno;
  if (error != 0) return SystemError("the test file could not be written", error, folder_);
  return Status::Ok();
}

int TestFile::Read(uint64_t offset, uint64_t bytes, std::byte* into) const {
  while (true) {
    const ssize_t n = pread(descriptor_, into, bytes, static_cast<off_t>(offset));
    if (n == static_cast<ssize_t>(bytes)) return 0;
    if (n >= 0) return EIO;  // the file ends, or the drive gave less than a block
    if (errno != EINTR) return errno;
  }
}

#else

Result<TestFile> TestFile::Create(const std::string& folder) {
  return Status(StatusCode::kIo, "drives are measured on Linux only so far", folder);
}
TestFile::~TestFile() = default;
Status TestFile::Write(uint64_t, const std::atomic<bool>*) { return Status::Ok(); }
int TestFile::Read(uint64_t, uint64_t, std::byte*) const { return EIO; }

#endif

}  // namespace thermocline
