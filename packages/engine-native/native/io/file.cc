#include "io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/text.h"

namespace thermocline {
namespace {

Status NotAFile(const char* what, const std::string& path) {
  return Status(StatusCode::kIo, Quoted(path) + " is " + what + ", not a file.", path);
}

// Linux reads at most 2 GiB at once.
constexpr size_t kMaxReadBytes = size_t{1} << 30;

}  // namespace

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Result<File> File::Open(const std::string& path) {
  // Non-blocking, so that a pipe without a writer is refused and not waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return Status(StatusCode::kFileNotFound,
                  "Cannot open " + Quoted(path) + ": " + std::strerror(errno) + ".", path);
  }
  File file;
  file.fd_ = fd;
  file.path_ = path;
  struct stat info = {};
  if (::fstat(fd, &info) != 0) {
    return Status(StatusCode::kIo, "Cannot examine " + Quoted(path) + ".", path);
  }
  if (S_ISDIR(info.st_mode)) return NotAFile("a folder", path);
  if (!S_ISREG(info.st_mode)) return NotAFile("a pipe or a device", path);
  file.size_ = static_cast<uint64_t>(info.st_size);
#if defined(POSIX_FADV_RANDOM)
  // Readers ask for all they want. What a system reads ahead of that, up to megabytes for a few
  // bytes of a large model, only fills its cache.
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
#endif
  return file;
}

Status File::Read(uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const size_t want = std::min(into.size(), kMaxReadBytes);
    const ssize_t got = ::pread(fd_, into.data(), want, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReadFailed(offset, errno);
    if (got == 0) return EndsEarly(offset, into.size());
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return Status::Ok();
}

void File::WillRead(uint64_t offset, uint64_t bytes) const {
#if defined(POSIX_FADV_WILLNEED)
  // Advice: a system that does not take it reads later.
  (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                        POSIX_FADV_WILLNEED);
#else
  (void)offset, (void)bytes;
#endif
}

Status File::ReadFailed(uint64_t offset, int error) const {
  return Status(StatusCode::kIo,
                "Reading byte " + std::to_string(offset) + " of " + Quoted(path_) +
                    " failed: " + std::strerror(error) + ".",
                path_);
}

Status File::EndsEarly(uint64_t offset, uint64_t missing) const {
  return Status(StatusCode::kIo,
                Quoted(path_) + " ends at byte " + std::to_string(offset) + ", " +
                    std::to_string(missing) +
                    " bytes earlier than expected; it was shortened while in use.",
                path_);
}

Result<std::string> ReadWholeFile(const std::string& path, uint64_t max_bytes,
                                  StatusCode too_large) {
  ASSIGN_OR_RETURN(const File file, File::Open(path));
  if (file.size() > max_bytes) {
    return Status(too_large,
                  Quoted(path) + " has " + std::to_string(file.size()) + " bytes; at most " +
                      std::to_string(max_bytes) + " are read.",
                  path);
  }
  std::string text(static_cast<size_t>(file.size()), '\0');
  RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace thermocline
