#include "probe/read_loops.h"

#include <cstring>

#include "util/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace thermocline {
namespace {

// kLead: how many bytes ahead lines are asked for; 0 leaves that to the processor.
constexpr uint64_t kNear = 1U << 10;
constexpr uint64_t kFar = 4U << 10;

// Into the second-level cache: the first level's few line fill buffers would halve the speed.
template <uint64_t kLead>
inline __attribute__((always_inline)) void Ask(const std::byte* line) {
  if constexpr (kLead > 0) __builtin_prefetch(line + kLead, 0, 2);
}

// Eight chains of additions, so that loads and not additions are the limit.
template <uint64_t kLead>
uint64_t ReadWords(const std::byte* data, uint64_t bytes) {
  uint64_t sums[8] = {};
  for (uint64_t at = 0; at < bytes; at += 64) {
    Ask<kLead>(data + at);
    uint64_t words[8];
    std::memcpy(words, data + at, sizeof words);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

#if defined(__x86_64__)
// One instruction a line: the more lines the processor sees at once, the more it reads at once.
template <uint64_t kLead>
__attribute__((target("avx512f"))) uint64_t ReadWide512(const std::byte* data, uint64_t bytes) {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (uint64_t at = 0; at < bytes; at += 256) {
    for (uint64_t line = 0; line < 256; line += 64) Ask<kLead>(data + at + line);
    a = _mm512_add_epi64(a, _mm512_loadu_si512(data + at));
    b = _mm512_add_epi64(b, _mm512_loadu_si512(data + at + 64));
    c = _mm512_add_epi64(c, _mm512_loadu_si512(data + at + 128));
    d = _mm512_add_epi64(d, _mm512_loadu_si512(data + at + 192));
  }
  uint64_t words[8];
  _mm512_storeu_si512(words, _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d)));
  return words[0] + words[1] + words[2] + words[3] + words[4] + words[5] + words[6] + words[7];
}

__attribute__((target("avx2"))) inline __m256i LoadWords(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

template <uint64_t kLead>
__attribute__((target("avx2"))) uint64_t ReadWide256(const std::byte* data, uint64_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (uint64_t at = 0; at < bytes; at += 128) {
    for (uint64_t line = 0; line < 128; line += 64) Ask<kLead>(data + at + line);
    a = _mm256_add_epi64(a, LoadWords(data + at));
    b = _mm256_add_epi64(b, LoadWords(data + at + 32));
    c = _mm256_add_epi64(c, LoadWords(data + at + 64));
    d = _mm256_add_epi64(d, LoadWords(data + at + 96));
  }
  uint64_t words[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words),
                      _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d)));
  return words[0] + words[1] + words[2] + words[3];
}
#endif

}  // namespace

std::vector<ReadLoop> ReadLoops() {
#if defined(__x86_64__)
  const CpuFeatures features = DetectCpuFeatures();
  if (features.avx512) return {ReadWide512<0>, ReadWide512<kNear>, ReadWide512<kFar>};
  if (features.avx2) return {ReadWide256<0>, ReadWide256<kNear>, ReadWide256<kFar>};
#endif
  return {ReadWords<0>, ReadWords<kNear>, ReadWords<kFar>};
}

}  // namespace thermocline
