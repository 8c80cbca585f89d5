#include "backends/cpu/neon/vector.h"
#include "backends/cpu/neon/neon.h"
#include "backends/cpu/attention.h"

namespace thermocline::neon {

void Attend(const AttentionQueries& queries, KeyView keys, KvView values, float scale,
            float* scores, AttentionSum* sums) {
  AttendAnyType(queries, keys, values, scale, scores, sums);
}

void MergeAttention(const AttentionSum& next, int64_t head_dim, AttentionSum* sum) {
  MergeSums(next, head_dim, sum);
}

}  // namespace thermocline::neon
