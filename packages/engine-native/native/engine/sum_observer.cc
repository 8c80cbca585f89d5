#include "engine/sum_observer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <string>

#include "util/thread_pool.h"

namespace thermocline {
namespace {

// Neurons that a thread counts at a time, all rows after one another: their sums stay in the
// first-level cache, and a row's piece is eight cache lines in sequence.
constexpr int64_t kBlock = 128;
// Values too few to wake threads for.
constexpr int64_t kInlineValues = 1 << 14;
// Rows after which a block's largest hash is looked up anew.
constexpr size_t kRowsPerLook = 8;

int32_t BitsOf(float value) { return std::bit_cast<int32_t>(value); }
int32_t MagnitudeBits(float value) { return BitsOf(value) & 0x7FFFFFFF; }

// The largest F32 that is not above a threshold, so that |h| > threshold is a question of bits.
int32_t LimitOf(double threshold) {
  if (threshold >= static_cast<double>(FLT_MAX)) return BitsOf(FLT_MAX);
  auto limit = static_cast<float>(threshold);
  if (static_cast<double>(limit) > threshold) limit = std::nextafter(limit, 0.0F);
  return MagnitudeBits(limit);
}

// Adds a hash to an ascending sketch unless it is there; the largest falls out. Without branches:
// where a hash belongs cannot be foreseen.
void InsertHash(uint32_t hash, uint32_t* sketch) {
  uint32_t before[kSketchHashes + 1];
  before[0] = 0;
  for (int64_t i = 0; i < kSketchHashes; ++i) before[i + 1] = sketch[i];
  uint32_t there = 0;
  for (int64_t i = 0; i < kSketchHashes; ++i) there |= sketch[i] == hash ? 1U : 0U;
  if (there != 0) return;
  for (int64_t i = 0; i < kSketchHashes; ++i) {
    const uint32_t moved = before[i] > hash ? before[i] : hash;
    sketch[i] = before[i + 1] < hash ? before[i + 1] : moved;
  }
}

// A histogram in the making. Values wait in a buffer until there are enough for long loops. Four
// tables in turn: neighbours often share a bin, and one counter could only be raised once its last
// value has come back from the store buffer.
class Binner {
 public:
  // Takes n <= kBlock magnitudes in, given as bits, and leaves zeros out.
  void Add(const int32_t* bits, int64_t n, bool has_zeros) {
    if (has_zeros) {
      for (int64_t i = 0; i < n; ++i) {
        waiting_[n_waiting_] = bits[i];
        n_waiting_ += bits[i] != 0 ? 1 : 0;
      }
    } else {
      std::copy_n(bits, n, waiting_ + n_waiting_);
      n_waiting_ += n;
    }
    if (n_waiting_ > kRoom - kBlock) Flush();
  }

  // Moves what was counted to the histogram; how many values there were.
  int64_t Finish(std::vector<int64_t>* histogram) {
    Flush();
    int64_t total = 0;
    for (size_t bin = 0; bin < kMagnitudeBins; ++bin) {
      int64_t count = 0;
      for (const auto& counts : counts_) count += counts[bin];
      (*histogram)[bin] += count;
      total += count;
    }
    return total;
  }

 private:
  static constexpr int64_t kRoom = 8 * kBlock;

  void Flush() {
    for (int64_t i = 0; i < n_waiting_; ++i) waiting_[i] = MagnitudeBin(waiting_[i]);
    int64_t i = 0;
    for (; i + 4 <= n_waiting_; i += 4) {
      for (int64_t j = 0; j < 4; ++j) ++counts_[j][waiting_[i + j]];
    }
    for (; i < n_waiting_; ++i) ++counts_[0][waiting_[i]];
    n_waiting_ = 0;
  }

  int32_t waiting_[kRoom];
  int64_t n_waiting_ = 0;
  uint32_t counts_[4][kMagnitudeBins] = {};
};

}  // namespace

SumObserver::SumObserver(std::vector<int64_t> n_ff, SumOptions options)
    : options_(std::move(options)), layers_(n_ff.size()), limits_(n_ff.size(), 0) {
  for (size_t l = 0; l < n_ff.size(); ++l) {
    const auto n = static_cast<size_t>(n_ff[l]);
    layers_[l].fires.resize(n, 0);
    layers_[l].abs_sum.resize(n, 0.0);
    layers_[l].magnitudes.resize(kMagnitudeBins, 0);
    if (!options_.thresholds.empty()) limits_[l] = LimitOf(options_.thresholds[l]);
    if (!sketching()) continue;
    layers_[l].sketches.resize(n * kSketchHashes, kSketchEmpty);
    worst_.emplace_back(n, kSketchEmpty);
  }
}

void SumObserver::Label(std::vector<uint32_t> documents, std::vector<uint32_t> bases) {
  documents_ = std::move(documents);
  bases_ = std::move(bases);
}

bool SumObserver::Wants(int64_t, Stream stream) const { return stream == Stream::kActivation; }

Status SumObserver::OnRows(const ObservedRows& rows) {
  const auto index = static_cast<size_t>(rows.layer);
  if (index >= layers_.size() || static_cast<size_t>(rows.width) != layers_[index].fires.size()) {
    return Status(StatusCode::kInvalidArgument, "the observer was made for another model");
  }
  if (sketching()) {
    const auto item = static_cast<size_t>(rows.item);
    if (item >= documents_.size() || item >= bases_.size()) {
      return Status(StatusCode::kInternal, "a summed step item has no document label");
    }
    HashRows(rows);
  }
  const bool alone = rows.pool == nullptr || rows.rows * rows.width < kInlineValues;
  const auto n_threads = static_cast<size_t>(alone ? 1 : rows.pool->n_threads());
  histograms_.assign(n_threads, Histogram(kMagnitudeBins, 0));

  std::atomic<bool> finite{true};
  auto task = [&](int64_t block, int thread) {
    const int64_t begin = block * kBlock;
    const int64_t n = std::min(kBlock, rows.width - begin);
    if (!CountBlock(rows, begin, n, &histograms_[static_cast<size_t>(thread)])) finite = false;
    if (sketching()) SketchBlock(rows, begin, n);
  };
  const int64_t n_blocks = (rows.width + kBlock - 1) / kBlock;
  if (alone) {
    for (int64_t block = 0; block < n_blocks; ++block) task(block, 0);
  } else {
    rows.pool->ParallelFor(n_blocks, task);
  }

  Layer& layer = layers_[index];
  layer.tokens += rows.rows;
  for (const Histogram& histogram : histograms_) {
    for (size_t bin = 0; bin < kMagnitudeBins; ++bin) layer.magnitudes[bin] += histogram[bin];
  }
  if (finite) return Status::Ok();
  return Status(StatusCode::kModelCorrupt,
                "layer " + std::to_string(rows.layer) +
                    " has activations that are not finite numbers: the model's weights are "
                    "damaged, or its keys and values are too large for F16; try the F32 cache");
}

// Ascending, because the 16 smallest of a batch are then the first 16 that a neuron fires on.
void SumObserver::HashRows(const ObservedRows& rows) {
  const auto item = static_cast<size_t>(rows.item);
  hashes_.clear();
  for (int64_t t = 0; t < rows.rows; ++t) {
    const uint32_t position = bases_[item] + static_cast<uint32_t>(rows.position + t);
    hashes_.emplace_back(TokenHash(*options_.sketch_salt, documents_[item], position), t);
  }
  std::sort(hashes_.begin(), hashes_.end());
}

// Firings, sums and magnitudes of neurons [begin, begin + n); whether all sums are finite.
bool SumObserver::CountBlock(const ObservedRows& rows, int64_t begin, int64_t n,
                             Histogram* histogram) {
  Layer& layer = layers_[static_cast<size_t>(rows.layer)];
  const int32_t limit = limits_[static_cast<size_t>(rows.layer)];
  double* const abs_sum = layer.abs_sum.data() + begin;
  uint32_t fires[kBlock] = {};
  int32_t bits[kBlock];
  Binner binner;

  for (int64_t t = 0; t < rows.rows; ++t) {
    const float* const h = rows.values + t * rows.width + begin;
    int32_t nonzero = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int32_t magnitude = MagnitudeBits(h[i]);
      bits[i] = magnitude;
      fires[i] += magnitude > limit ? 1U : 0U;
      nonzero += magnitude != 0 ? 1 : 0;
    }
    for (int64_t i = 0; i < n; ++i) abs_sum[i] += static_cast<double>(std::fabs(h[i]));
    if (nonzero > 0) binner.Add(bits, n, nonzero < n);
  }

  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    layer.fires[static_cast<size_t>(begin + i)] += fires[i];
    finite &= std::fabs(abs_sum[i]) <= DBL_MAX;
  }
  const int64_t binned = binner.Finish(histogram);
  (*histogram)[0] += rows.rows * n - binned;  // zeros
  return finite;
}

// A token goes into the sketches of the neurons that it makes fire and whose largest hash is
// above its own: one comparison per neuron, and few that hold.
void SumObserver::SketchBlock(const ObservedRows& rows, int64_t begin, int64_t n) {
  const auto l = static_cast<size_t>(rows.layer);
  const int32_t limit = limits_[l];
  uint32_t* const worst = worst_[l].data() + begin;
  uint32_t* const sketches = layers_[l].sketches.data() + begin * kSketchHashes;
  uint8_t hits[kBlock] = {};
  uint32_t largest = 0;

  for (size_t r = 0; r < hashes_.size(); ++r) {
    if (r % kRowsPerLook == 0) {
      largest = 0;
      for (int64_t i = 0; i < n; ++i) largest = std::max(largest, worst[i]);
    }
    const auto [hash, row] = hashes_[r];
    if (hash >= largest) break;  // those that follow are larger still
    const float* const h = rows.values + row * rows.width + begin;
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t fires = MagnitudeBits(h[i]) > limit ? 1U : 0U;
      hits[i] = static_cast<uint8_t>(fires & (hash < worst[i] ? 1U : 0U));
    }
    for (int64_t first = 0; first < n; first += 8) {
      uint64_t eight;  // of them at a time, since most are 0
      std::memcpy(&eight, hits + first, sizeof(eight));
      if (eight == 0) continue;
      for (int64_t i = first; i < first + 8; ++i) {
        if (hits[i] == 0) continue;
        InsertHash(hash, sketches + i * kSketchHashes);
        worst[i] = sketches[i * kSketchHashes + kSketchHashes - 1];
      }
    }
  }
}

}  // namespace thermocline
