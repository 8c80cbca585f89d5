#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace thermocline {
namespace {

int64_t ElementBytes(DType type) { return type == DType::kF32 ? 4 : 2; }

// Positions in whole blocks of keys.
int64_t WholeBlocks(int64_t positions) {
  return (positions + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
}

}  // namespace

uint64_t KvShape::LayerBytes(DType type) const {
  return static_cast<uint64_t>(kv_heads) * static_cast<uint64_t>(WholeBlocks(context) + context) *
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

std::byte* KvCache::KeysOf(const Layer& layer, int64_t head) const {
  return layer.memory.data() +
         head * WholeBlocks(shape_.context) * shape_.head_dim * ElementBytes(layer.type);
}

std::byte* KvCache::ValuesOf(const Layer& layer, int64_t head) const {
  return KeysOf(layer, shape_.kv_heads) +
         head * shape_.context * shape_.head_dim * ElementBytes(layer.type);
}

KeyView KvCache::Keys(int64_t index, int64_t head, int64_t n) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  return {KeysOf(layer, head), layer.type, n, shape_.head_dim};
}

KvView KvCache::Values(int64_t index, int64_t head, int64_t n) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  return {ValuesOf(layer, head), layer.type, shape_.head_dim * ElementBytes(layer.type), n,
          shape_.head_dim};
}

void KvCache::Write(int64_t index, int64_t position, const float* k, const float* v,
                    const Kernels& kernels) {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  if (layer.type == DType::kF32) {
    WriteAs<float>(layer, position, k, v, [](const float* from, int64_t n, float* to) {
      std::copy_n(from, n, to);
    });
  } else {
    WriteAs<uint16_t>(layer, position, k, v, kernels.f32_to_f16);
  }
}

template <typename T, typename Convert>
void KvCache::WriteAs(const Layer& layer, int64_t position, const float* k, const float* v,
                      Convert convert) {
  constexpr int64_t kColumns = 64;  // converted at a time
  const int64_t d = shape_.head_dim;
  for (int64_t head = 0; head < shape_.kv_heads; ++head) {
    convert(v + head * d, d, reinterpret_cast<T*>(ValuesOf(layer, head)) + position * d);
    T* const block = reinterpret_cast<T*>(KeysOf(layer, head)) +
                     position / kKeyBlock * d * kKeyBlock + position % kKeyBlock;
    for (int64_t begin = 0; begin < d; begin += kColumns) {
      T columns[kColumns];
      const int64_t n = std::min(kColumns, d - begin);
      convert(k + head * d + begin, n, columns);
      for (int64_t c = 0; c < n; ++c) block[(begin + c) * kKeyBlock] = columns[c];
    }
  }
}

void KvCache::CopyFrom(const KvCache& other, int64_t n) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& to = layers_[i];
    const Layer& from = other.layers_[i];
    const int64_t row_bytes = shape_.head_dim * ElementBytes(to.type);
    for (int64_t head = 0; head < shape_.kv_heads; ++head) {
      std::memcpy(KeysOf(to, head), other.KeysOf(from, head),
                  static_cast<size_t>(WholeBlocks(n) * row_bytes));
      std::memcpy(ValuesOf(to, head), other.ValuesOf(from, head),
                  static_cast<size_t>(n * row_bytes));
    }
  }
}

}  // namespace thermocline
