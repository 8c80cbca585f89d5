#include "fuzz/allocation_meter.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> allocated_bytes{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__)

// The sanitizer's allocator calls this weak function for malloc and operator new alike.
extern "C" __attribute__((visibility("default"))) void __sanitizer_malloc_hook(
    const volatile void*, size_t bytes) {
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}
extern "C" __attribute__((visibility("default"))) void __sanitizer_free_hook(
    const volatile void*) {}

#else

void* operator new(size_t bytes) {
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
  void* memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

#endif

namespace thermocline::fuzz {

void ResetAllocatedBytes() { allocated_bytes.store(0, std::memory_order_relaxed); }
uint64_t AllocatedBytes() { return allocated_bytes.load(std::memory_order_relaxed); }

}  // namespace thermocline::fuzz
