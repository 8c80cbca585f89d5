#include "backends/cpu/avx2/vector.h"
#include "backends/cpu/avx2/avx2.h"
#include "backends/cpu/attention.h"

namespace thermocline::avx2 {

void Attend(const AttentionQueries& queries, KeyView keys, KvView values, float scale,
            float* scores, AttentionSum* sums) {
  AttendAnyType(queries, keys, values, scale, scores, sums);
}

void MergeAttention(const AttentionSum& next, int64_t head_dim, AttentionSum* sum) {
  MergeSums(next, head_dim, sum);
}

}  // namespace thermocline::avx2
