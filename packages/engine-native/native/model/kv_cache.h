// Keys and values of one session. Each layer says for itself where its part lives
// and in which type. Per head the positions are contiguous, so that decode streams; keys lie
// column by column in blocks of positions, so that a product with them needs no sums across lanes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/kernels.h"
#include "tiers/accountant.h"
#include "tiers/ffn_tier.h"
#include "util/huge_buffer.h"
#include "util/status.h"

namespace thermocline {

struct KvShape {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t context = 0;  // positions

  uint64_t LayerBytes(DType type) const;  // keys and values
};

class KvCache {
 public:
  // kOutOfMemory, with the numbers, before anything is allocated. type: kF16 or kF32.
  static Result<KvCache> Create(const KvShape& shape, DType type, Accountant& accountant);

  // Stores one position's keys and values, each [kv_heads][head_dim]. Other positions may be
  // written at the same time.
  void Write(int64_t layer, int64_t position, const float* k, const float* v,
             const Kernels& kernels);

  // The first n positions of one head.
  KeyView Keys(int64_t layer, int64_t head, int64_t n) const;
  KvView Values(int64_t layer, int64_t head, int64_t n) const;

  // Copies the first n positions of every layer. REQUIRES: equal shapes and types.
  void CopyFrom(const KvCache& other, int64_t n);

  const KvShape& shape() const { return shape_; }
  DType type() const { return layers_.empty() ? DType::kF16 : layers_.front().type; }
  uint64_t bytes() const { return reservation_.bytes(); }

 private:
  struct Layer {
    Device device = Device::kHost;
    DType type = DType::kF16;
    // Keys [kv_heads][blocks][head_dim][kKeyBlock], then values [kv_heads][context][head_dim].
    HugeBuffer memory;
  };
  // Where a head's keys and its values begin.
  std::byte* KeysOf(const Layer& layer, int64_t head) const;
  std::byte* ValuesOf(const Layer& layer, int64_t head) const;
  template <typename T, typename Convert>
  void WriteAs(const Layer& layer, int64_t position, const float* k, const float* v,
               Convert convert);

  KvShape shape_;
  std::vector<Layer> layers_;
  Reservation reservation_;
};

}  // namespace thermocline
