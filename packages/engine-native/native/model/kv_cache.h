// Keys and values of one session. Each layer says for itself where its part lives
// and in which type; per head the positions are contiguous, so that decode streams.
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

  // Stores one position's keys and values, each [kv_heads][head_dim].
  void Write(int64_t layer, int64_t position, const float* k, const float* v,
             const Kernels& kernels);

  // The first n positions of one head.
  KvView Keys(int64_t layer, int64_t head, int64_t n) const { return View(layer, head, n, 0); }
  KvView Values(int64_t layer, int64_t head, int64_t n) const { return View(layer, head, n, 1); }

  // Copies the first n positions of every layer. REQUIRES: equal shapes and types.
  void CopyFrom(const KvCache& other, int64_t n);

  const KvShape& shape() const { return shape_; }
  DType type() const { return layers_.empty() ? DType::kF16 : layers_.front().type; }
  uint64_t bytes() const { return reservation_.bytes(); }

 private:
  struct Layer {
    Device device = Device::kHost;
    DType type = DType::kF16;
    HugeBuffer memory;  // [keys, values][kv_heads][context][head_dim]
  };
  int64_t HeadBytes(const Layer& layer) const;
  KvView View(int64_t layer, int64_t head, int64_t n, int64_t which) const;

  KvShape shape_;
  std::vector<Layer> layers_;
  Reservation reservation_;
};

}  // namespace thermocline
