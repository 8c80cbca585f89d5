#include "io/uncached_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace thermocline {
namespace {

#if defined(__linux__)
constexpr long kCachestat = 451;  // the same number on all architectures; since Linux 6.5
struct CachestatRange {
  uint64_t offset, bytes;
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;  // pages
};

// Whether the cache holds every page of the range. No where the system does not tell.
bool IsCached(int descriptor, uint64_t offset, uint64_t bytes) {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  CachestatRange range = {offset, bytes};
  Cachestat found = {};
  if (::syscall(kCachestat, descriptor, &range, &found, 0) != 0) return false;
  return bytes > 0 && found.cached > (offset + bytes - 1) / page - offset / page;
}

// The same file once more: a descriptor's flags hold for all who share it. By the descriptor and
// not by the path, which may lead to another file by now.
int OpenDirect(int descriptor) {
  const std::string itself = "/proc/self/fd/" + std::to_string(descriptor);
  return ::open(itself.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
}
#else
bool IsCached(int, uint64_t, uint64_t) { return false; }
#endif

}  // namespace

UncachedFile::UncachedFile(const File& file, Way way)
    : file_(file),
      fallback_(way == Way::kPast ? OpenPast() : "reads were asked to go through it") {
  past_ = direct_descriptor_ >= 0;
}

// Why it cannot be done; empty when it can.
std::string UncachedFile::OpenPast() {
#if defined(__linux__)
  direct_descriptor_ = OpenDirect(file_.descriptor());
  if (direct_descriptor_ >= 0) return {};
  return std::string("the file system refuses direct reads (O_DIRECT): ") + std::strerror(errno);
#elif defined(F_NOCACHE)
  if (::fcntl(file_.descriptor(), F_NOCACHE, 1) >= 0) return {};
  return std::string("the file system refuses it (F_NOCACHE): ") + std::strerror(errno);
#else
  return "this system has no direct reads";
#endif
}

UncachedFile::~UncachedFile() {
  if (direct_descriptor_ >= 0) ::close(direct_descriptor_);
}

Result<const std::byte*> UncachedFile::Read(uint64_t offset, uint64_t bytes, std::byte* buffer) {
  if (past_ && !IsCached(file_.descriptor(), offset, bytes)) {
    auto read = ReadPast(offset, bytes, buffer);
    if (read.ok() || past_) return read;
  }
  RETURN_IF_ERROR(ReadThrough(offset, bytes, buffer));
  return static_cast<const std::byte*>(buffer);
}

// Whole blocks around the range. The last block of a file is short, and so may any read be.
Result<const std::byte*> UncachedFile::ReadPast(uint64_t offset, uint64_t bytes,
                                                std::byte* buffer) {
  const uint64_t begin = offset / kAlignment * kAlignment;
  const uint64_t lead = offset - begin;
  const uint64_t end = (offset + bytes + kAlignment - 1) / kAlignment * kAlignment;
  uint64_t got = 0;  // from begin on
  while (got < lead + bytes) {
    // A read that ended inside a block is repeated from the block's start.
    const uint64_t from = got / kAlignment * kAlignment;
    const ssize_t n = ::pread(direct_descriptor_, buffer + from, end - begin - from,
                              static_cast<off_t>(begin + from));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
      FallBack(std::string("the file system refuses a direct read (O_DIRECT): ") +
               std::strerror(errno));
      return Status(StatusCode::kIo, "not read past the cache", file_.path());
    }
    if (n < 0) return file_.ReadFailed(begin + from, errno);
    if (from + static_cast<uint64_t>(n) <= got) {
      return file_.EndsEarly(begin + got, lead + bytes - got);
    }
    got = from + static_cast<uint64_t>(n);
  }
  direct_ += bytes;
  return static_cast<const std::byte*>(buffer + lead);
}

Status UncachedFile::ReadThrough(uint64_t offset, uint64_t bytes, std::byte* buffer) {
  const bool was_there = IsCached(file_.descriptor(), offset, bytes);
  RETURN_IF_ERROR(file_.Read(offset, std::span(buffer, static_cast<size_t>(bytes))));
  if (was_there) {
    cached_ += bytes;
    return Status::Ok();
  }
  through_ += bytes;
#if defined(POSIX_FADV_DONTNEED)
  (void)::posix_fadvise(file_.descriptor(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                        POSIX_FADV_DONTNEED);
#endif
  return Status::Ok();
}

void UncachedFile::FallBack(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  past_ = false;
  if (fallback_.empty()) fallback_ = reason;
}

std::string UncachedFile::fallback() const {
  const std::lock_guard lock(mutex_);
  return fallback_;
}

}  // namespace thermocline
