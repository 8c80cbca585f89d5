#include "model/kv_cache.h"

#include <cstring>

namespace thermocline {
namespace {

int64_t ElementBytes(DType type) { return type == DType::kF32 ? 4 : 2; }

}  // namespace

uint64_t KvShape::LayerBytes(DType type) const {
  return 2 * static_cast<uint64_t>(kv_heads) * static_cast<uint64_t>(context) *
         static_cast<uint64_t>(head_dim) * static_cast<uint64_t>(ElementBytes(type));
}

Result<KvCache> KvCache::Create(const KvShape& shape, DType type, Accountant& accountant) {
  KvCache cache;
  cache.shape_ = shape;
  const uint64_t layer_bytes = shape.LayerBytes(type);
  ASSIGN_OR_RETURN(cache.reservation_,
                   accountant.PlanAndReserve(
                       layer_bytes * static_cast<uint64_t>(shape.layers), "kv"));
  cache.layers_.resize(static_cast<size_t>(shape.layers));
  for (Layer& layer : cache.layers_) {
    layer.type = type;
    ASSIGN_OR_RETURN(layer.memory, HugeBuffer::Allocate(static_cast<size_t>(layer_bytes)));
  }
  return cache;
}

int64_t KvCache::HeadBytes(const Layer& layer) const {
  return shape_.context * shape_.head_dim * ElementBytes(layer.type);
}

KvView KvCache::View(int64_t index, int64_t head, int64_t n, int64_t which) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  KvView view;
  view.data = layer.memory.data() + (which * shape_.kv_heads + head) * HeadBytes(layer);
  view.type = layer.type;
  view.stride = shape_.head_dim * ElementBytes(layer.type);
  view.n = n;
  view.head_dim = shape_.head_dim;
  return view;
}

void KvCache::Write(int64_t index, int64_t position, const float* k, const float* v,
                    const Kernels& kernels) {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  const int64_t d = shape_.head_dim;
  const float* const sources[2] = {k, v};
  for (int64_t which = 0; which < 2; ++which) {
    for (int64_t head = 0; head < shape_.kv_heads; ++head) {
      std::byte* const to = layer.memory.data() +
                            (which * shape_.kv_heads + head) * HeadBytes(layer) +
                            position * d * ElementBytes(layer.type);
      const float* const from = sources[which] + head * d;
      if (layer.type == DType::kF32) {
        std::memcpy(to, from, static_cast<size_t>(d) * sizeof(float));
      } else {
        kernels.f32_to_f16(from, d, reinterpret_cast<uint16_t*>(to));
      }
    }
  }
}

void KvCache::CopyFrom(const KvCache& other, int64_t n) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t head_bytes = HeadBytes(layers_[i]);
    const auto used = static_cast<size_t>(n * shape_.head_dim * ElementBytes(layers_[i].type));
    for (int64_t head = 0; head < 2 * shape_.kv_heads; ++head) {
      std::memcpy(layers_[i].memory.data() + head * head_bytes,
                  other.layers_[i].memory.data() + head * head_bytes, used);
    }
  }
}

}  // namespace thermocline
