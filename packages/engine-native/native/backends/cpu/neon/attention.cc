#include "backends/cpu/neon/vector.h"
#include "backends/cpu/neon/neon.h"
#include "backends/cpu/attention.h"

namespace thermocline::neon {

void AttentionScores(const float* q, KvView keys, float scale, float* scores) {
  if (keys.type == DType::kF32) return ScoresOf<DType::kF32>(q, keys, scale, scores);
  ScoresOf<DType::kF16>(q, keys, scale, scores);
}

void AttentionMix(const float* p, KvView values, float* out) {
  if (values.type == DType::kF32) return MixOf<DType::kF32>(p, values, out);
  MixOf<DType::kF16>(p, values, out);
}

}  // namespace thermocline::neon
