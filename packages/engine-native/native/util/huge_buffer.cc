#include "util/huge_buffer.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#if defined(__unix__) || defined(__APPLE__)
#define TC_HAS_MMAP 1
#include <sys/mman.h>
#include <unistd.h>
#else
#define TC_HAS_MMAP 0
#include <new>
#endif

namespace thermocline {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

Status Refused(size_t bytes) {
  return Status(StatusCode::kOutOfMemory,
                "the system refused " + std::to_string(bytes) + " bytes of memory");
}

#if TC_HAS_MMAP
// Maps `bytes` (a multiple of `alignment`) at a multiple of `alignment`: takes one more
// `alignment` of address space and gives the ends back.
std::byte* MapAligned(size_t bytes, size_t alignment, size_t page) {
  const size_t slack = alignment > page ? alignment : 0;
  void* const base = mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  if (slack == 0) return static_cast<std::byte*>(base);
  const size_t head = (alignment - reinterpret_cast<uintptr_t>(base) % alignment) % alignment;
  std::byte* const start = static_cast<std::byte*>(base) + head;
  if (head > 0) munmap(base, head);
  if (slack > head) munmap(start + bytes, slack - head);
  return start;
}
#endif

}  // namespace

Result<HugeBuffer> HugeBuffer::Allocate(size_t bytes) {
  HugeBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes > std::numeric_limits<size_t>::max() / 2 - 2 * kHugePage) return Refused(bytes);
#if TC_HAS_MMAP
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  // Below one huge page the rounding would waste more than the TLB gains.
  const size_t unit = bytes >= kHugePage ? kHugePage : page;
  const size_t mapped = (bytes + unit - 1) / unit * unit;
  buffer.data_ = MapAligned(mapped, unit, page);
  if (buffer.data_ == nullptr) return Refused(bytes);
  buffer.mapped_ = mapped;
#ifdef MADV_HUGEPAGE
  // Advice: without huge pages the memory is as good, only slower.
  if (unit == kHugePage) (void)madvise(buffer.data_, mapped, MADV_HUGEPAGE);
#endif
#else
  buffer.data_ = static_cast<std::byte*>(
      ::operator new(bytes, std::align_val_t{64}, std::nothrow));
  if (buffer.data_ == nullptr) return Refused(bytes);
  std::memset(buffer.data_, 0, bytes);
  buffer.mapped_ = bytes;
#endif
  buffer.size_ = bytes;
  return buffer;
}

HugeBuffer::~HugeBuffer() {
  if (data_ == nullptr) return;
#if TC_HAS_MMAP
  munmap(data_, mapped_);
#else
  ::operator delete(data_, std::align_val_t{64});
#endif
}

}  // namespace thermocline
