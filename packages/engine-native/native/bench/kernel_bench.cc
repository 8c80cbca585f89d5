// How near the kernels come to the machine: decode products and sparse row lists in GB/s
// against a plain read loop, prefill products in GFLOP/s against a loop of fused
// multiply-adds. Best of several rounds; other load only makes figures smaller.
//
//   kernel_bench [set] [all|read|decode|sparse|neurons|prefill|attention] [type]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backends/kernels.h"
#include "backends/layout.h"
#include "backends/neuron_layout.h"
#include "util/cpu_features.h"
#include "util/f16.h"
#include "util/huge_buffer.h"
#include "util/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace thermocline {
namespace {

constexpr int64_t kWorkingSet = int64_t{320} << 20;  // far beyond any last-level cache here
constexpr int64_t kChunkBytes = 128 << 10;
using Types = std::vector<DType>;

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The shortest of some rounds, after one to warm up.
double Best(int rounds, const std::function<void()>& work) {
  work();
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) best = std::min(best, Seconds(work));
  return best;
}

// Memory of plausible weights: bytes whose reading as any type gives finite numbers.
HugeBuffer RandomWeights(DType type, int64_t bytes) {
  Result<HugeBuffer> made = HugeBuffer::Allocate(static_cast<size_t>(bytes));
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.status().message().c_str());
    return {};
  }
  HugeBuffer buffer = std::move(made).value();
  std::mt19937_64 random(7);
  // A small pattern repeated: the kernels do not look at values.
  std::vector<std::byte> pattern(1 << 16);
  for (size_t i = 0; i + 4 <= pattern.size(); i += 4) {
    const float value = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
    const uint16_t half = type == DType::kBF16 ? F32ToBF16(value) : F32ToF16(value);
    if (type == DType::kF32) {
      std::memcpy(&pattern[i], &value, 4);
    } else {
      std::memcpy(&pattern[i], &half, 2);
      std::memcpy(&pattern[i + 2], &half, 2);
    }
  }
  for (int64_t at = 0; at < bytes; at += 1 << 16) {
    std::memcpy(buffer.data() + at, pattern.data(),
                static_cast<size_t>(std::min<int64_t>(1 << 16, bytes - at)));
  }
  return buffer;
}

struct QuantizedInputs {
  std::vector<float> x;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum, first;
  Activations view;

  QuantizedInputs(const Kernels& k, int64_t n_tokens, int64_t cols)
      : x(static_cast<size_t>(n_tokens * cols)),
        q(x.size()),
        scale(x.size() / 32),
        sum(x.size() / 32),
        first(sum.size()) {
    std::mt19937 random(1);
    for (float& v : x) v = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
    for (int64_t t = 0; t < n_tokens; ++t) {
      const int64_t block = t * (cols / 32);
      k.quantize(x.data() + t * cols, cols, q.data() + t * cols, scale.data() + block,
                 sum.data() + block, first.data() + block);
    }
    view = {x.data(),     cols,       n_tokens,    cols,
            q.data(), scale.data(), sum.data(), first.data()};
  }
};

// Sums all words: about what reading costs when nothing else binds.
uint64_t ReadAll(const std::byte* p, int64_t bytes) {
  uint64_t sums[4] = {};
  for (int64_t i = 0; i + 64 <= bytes; i += 64) {
    uint64_t words[8];
    std::memcpy(words, p + i, sizeof words);
    for (int j = 0; j < 4; ++j) sums[j] += words[j] + words[j + 4];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

struct Roof {
  double one = 0, two = 0;  // GB/s
  double of(int threads) const { return threads == 1 ? one : two; }
};

Roof MeasureRead() {
  const HugeBuffer memory = RandomWeights(DType::kF32, kWorkingSet);
  Roof roof;
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    std::vector<uint64_t> sums(static_cast<size_t>(threads) * 8);
    auto body = [&](int64_t chunk, int thread) {
      sums[static_cast<size_t>(thread) * 8] +=
          ReadAll(memory.data() + chunk * kChunkBytes, kChunkBytes);
    };
    const double s = Best(12, [&] { pool.ParallelFor(kWorkingSet / kChunkBytes, body); });
    (threads == 1 ? roof.one : roof.two) = static_cast<double>(kWorkingSet) / s / 1e9;
    std::printf("read  %d thread%s  %6.1f GB/s  (%llu)\n", threads, threads == 1 ? " " : "s",
                roof.of(threads), static_cast<unsigned long long>(sums[0] & 1));
  }
  return roof;
}

void BenchDecode(const Kernels& k, const Roof& roof, const Types& types) {
  struct Shape {
    int64_t rows, cols;
  };
  for (const DType type : types) {
    for (const Shape shape : {Shape{2048, 768}, Shape{4096, 2048}, Shape{4096, 4096}}) {
      const int64_t row_bytes = RowBytes(type, shape.cols);
      const int64_t matrix_bytes = row_bytes * shape.rows;
      const int64_t n_matrices = std::max<int64_t>(1, kWorkingSet / matrix_bytes);
      const HugeBuffer memory = RandomWeights(type, n_matrices * matrix_bytes);
      const QuantizedInputs x(k, 1, shape.cols);
      std::vector<float> y(static_cast<size_t>(shape.rows));
      const int64_t chunk_rows = std::max<int64_t>(8, kChunkBytes / row_bytes / 8 * 8);
      const int64_t n_chunks = (shape.rows + chunk_rows - 1) / chunk_rows;
      for (const int threads : {1, 2}) {
        ThreadPool pool(threads);
        const double s = Best(6, [&] {
          for (int64_t m = 0; m < n_matrices; ++m) {
            const RowMatrix w{memory.data() + m * matrix_bytes, type, shape.rows, shape.cols,
                              row_bytes};
            auto body = [&](int64_t chunk, int) {
              const int64_t begin = chunk * chunk_rows;
              k.matmul(w, {nullptr, begin, std::min(chunk_rows, shape.rows - begin)}, x.view,
                       y.data(), shape.rows);
            };
            pool.ParallelFor(n_chunks, body);
          }
        });
        const double speed = static_cast<double>(n_matrices * matrix_bytes) / s / 1e9;
        std::printf("decode  %-4s %4lld x %4lld  %d thread%s  %6.1f GB/s  %3.0f %% of reading\n",
                    DTypeName(type), static_cast<long long>(shape.rows),
                    static_cast<long long>(shape.cols), threads, threads == 1 ? " " : "s", speed,
                    100 * speed / roof.of(threads));
      }
    }
  }
}

// Every tenth row or so, ascending.
std::vector<uint32_t> TenPercent(int64_t n) {
  std::mt19937 random(3);
  std::vector<uint32_t> list;
  for (int64_t i = 0; i < n; ++i) {
    if (random() % 10 == 0) list.push_back(static_cast<uint32_t>(i));
  }
  return list;
}

// Lists against the same list row by row, each a call of its own and so without prefetch.
void BenchSparse(const Kernels& k, const Roof& roof, const Types& types) {
  for (const DType type : types) {
    const int64_t cols = 4096;
    const int64_t row_bytes = RowBytes(type, cols);
    const int64_t rows = 10 * kWorkingSet / 4 / row_bytes;
    const HugeBuffer memory = RandomWeights(type, rows * row_bytes);
    const RowMatrix w{memory.data(), type, rows, cols, row_bytes};
    const QuantizedInputs x(k, 1, cols);
    std::vector<float> y(static_cast<size_t>(rows));
    const std::vector<uint32_t> list = TenPercent(rows);
    const auto count = static_cast<int64_t>(list.size());
    const double bytes = static_cast<double>(count * row_bytes);
    for (const bool prefetch : {false, true}) {
      for (const int threads : {1, 2}) {
        ThreadPool pool(threads);
        const int64_t step = 64;
        auto body = [&](int64_t chunk, int) {
          const int64_t begin = chunk * step;
          const int64_t n = std::min(step, count - begin);
          if (prefetch) {
            k.matmul(w, {list.data() + begin, 0, n}, x.view, y.data(), rows);
          } else {
            for (int64_t i = begin; i < begin + n; ++i) {
              k.matmul(w, {list.data() + i, 0, 1}, x.view, y.data(), rows);
            }
          }
        };
        const double s = Best(6, [&] { pool.ParallelFor((count + step - 1) / step, body); });
        std::printf("rows 10 %%  %-4s %s  %d thread%s  %6.1f GB/s  %3.0f %% of reading\n",
                    DTypeName(type), prefetch ? "lists     " : "one by one", threads,
                    threads == 1 ? " " : "s", bytes / s / 1e9,
                    100 * bytes / s / 1e9 / roof.of(threads));
      }
    }
  }
}

bool HasOwnScales(DType type) { return BlockElements(type) != 1 && !IsKQuant(type); }

const char* ScalesName(NeuronScales scales) {
  return scales == NeuronScales::kOwn ? "own   " : "shared";
}

// Bytes of a list's rows, and of the scales that its groups share.
int64_t BytesOf(const NeuronMatrix& w, const std::vector<uint32_t>& list) {
  int64_t bytes = static_cast<int64_t>(list.size()) * w.row_bytes;
  if (w.group_bytes == 0) return bytes;
  for (size_t i = 0; i < list.size(); ++i) {
    if (i == 0 || list[i] / 32 != list[i - 1] / 32) bytes += w.group_bytes - 32 * w.row_bytes;
  }
  return bytes;
}

// The down matrix: all neurons and one in ten.
void BenchNeurons(const Kernels& k, const Roof& roof, const Types& types, int64_t working_set) {
  for (const DType type : types) {
    for (const NeuronScales scales : {NeuronScales::kShared, NeuronScales::kOwn}) {
      if (!HasOwnScales(type) && scales == NeuronScales::kOwn) continue;
      const int64_t cols = 4096;
      const int64_t neurons = std::max<int64_t>(
          1, working_set / NeuronMatrixBytes(type, scales, 256, cols)) * 256;
      const HugeBuffer memory =
          RandomWeights(type, NeuronMatrixBytes(type, scales, neurons, cols));
      const NeuronMatrix w = MakeNeuronMatrix(type, scales, neurons, cols, memory.data());
      const std::vector<float> h(static_cast<size_t>(neurons), 0.001F);
      for (const bool sparse : {false, true}) {
        std::vector<uint32_t> list;
        if (sparse) {
          list = TenPercent(neurons);
        } else {
          for (int64_t i = 0; i < neurons; ++i) list.push_back(static_cast<uint32_t>(i));
        }
        const auto count = static_cast<int64_t>(list.size());
        const auto bytes = static_cast<double>(BytesOf(w, list));
        for (const int threads : {1, 2}) {
          ThreadPool pool(threads);
          const int64_t lanes = working_set < kWorkingSet ? threads : 8;
          std::vector<std::vector<float>> y(static_cast<size_t>(lanes));
          for (auto& lane : y) lane.resize(static_cast<size_t>(cols));
          auto body = [&](int64_t lane, int) {
            const int64_t begin = lane * count / lanes, end = (lane + 1) * count / lanes;
            k.accumulate_neurons(w, {list.data() + begin, list.data() + begin, end - begin},
                                 h.data(), y[static_cast<size_t>(lane)].data());
          };
          const double s = Best(6, [&] { pool.ParallelFor(lanes, body); });
          std::printf("neurons %s  %-4s  %s  %d thread%s  %6.1f GB/s  %3.0f %% of reading\n",
                      sparse ? "10 %" : "all ", DTypeName(type), ScalesName(scales), threads,
                      threads == 1 ? " " : "s", bytes / s / 1e9,
                      100 * bytes / s / 1e9 / roof.of(threads));
        }
      }
    }
  }
}

// Making the down matrix from the bytes of a file.
void BenchPack(const Types& types) {
  const int64_t n_ff = 14336, rows = 512;
  for (const DType type : types) {
    const HugeBuffer file = RandomWeights(type, RowBytes(type, n_ff) * rows);
    HugeBuffer out = RandomWeights(type, NeuronMatrixBytes(type, NeuronScales::kShared, n_ff, rows));
    const NeuronMatrix shape =
        MakeNeuronMatrix(type, NeuronScales::kShared, n_ff, rows, out.data());
    const double s = Best(6, [&] {
      PackNeurons(type, file.data(), 0, rows, n_ff, nullptr, shape, out.data());
    });
    HugeBuffer own = RandomWeights(type, RowBytes(type, n_ff) * rows);
    const double t =
        Best(6, [&] { PackNeuronRows(type, file.data(), rows, n_ff, own.data()); });
    const auto bytes = static_cast<double>(RowBytes(type, n_ff) * rows);
    std::printf("pack  %-4s  %lld x 14336  1 thread   shared %5.2f GB/s  own %5.2f GB/s\n",
                DTypeName(type), static_cast<long long>(rows), bytes / s / 1e9, bytes / t / 1e9);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float FmaLoop512(int64_t n) {
  __m512 sums[16];
  for (auto& s : sums) s = _mm512_set1_ps(1.0F);
  const __m512 a = _mm512_set1_ps(0.999F);
  for (int64_t i = 0; i < n; ++i) {
    for (auto& s : sums) s = _mm512_fmadd_ps(s, a, a);
  }
  float out = 0;
  for (auto& s : sums) out += _mm512_cvtss_f32(s);
  return out;
}
__attribute__((target("avx2,fma"))) float FmaLoop256(int64_t n) {
  __m256 sums[12];
  for (auto& s : sums) s = _mm256_set1_ps(1.0F);
  const __m256 a = _mm256_set1_ps(0.999F);
  for (int64_t i = 0; i < n; ++i) {
    for (auto& s : sums) s = _mm256_fmadd_ps(s, a, a);
  }
  float out = 0;
  for (auto& s : sums) out += _mm256_cvtss_f32(s);
  return out;
}
#endif

// GFLOP/s of one thread with the registers of `set`; 0 where not known.
double MeasurePeak(const std::string& set) {
#if defined(__x86_64__)
  constexpr int64_t kSteps = 4 << 20;
  volatile float sink = 0;
  if (set.starts_with("avx512")) {
    return 2.0 * 16 * 16 * kSteps / Best(6, [&] { sink = FmaLoop512(kSteps); }) / 1e9;
  }
  if (set == "avx2") {
    return 2.0 * 12 * 8 * kSteps / Best(6, [&] { sink = FmaLoop256(kSteps); }) / 1e9;
  }
#endif
  (void)set;
  return 0;
}

void BenchPrefill(const Kernels& k, const Types& types) {
  const double peak = MeasurePeak(k.name);
  std::printf("peak  1 thread  %.0f GFLOP/s in fused multiply-adds\n", peak);
  const int64_t n = 4096;
  for (const DType type : types) {
    const HugeBuffer memory = RandomWeights(type, RowBytes(type, n) * n);
    const RowMatrix w{memory.data(), type, n, n, RowBytes(type, n)};
    // Memory for either kind: shared scales take as many bytes as own ones.
    const HugeBuffer down_memory =
        RandomWeights(type, NeuronMatrixBytes(type, NeuronScales::kShared, n, n));
    const auto down = [&](NeuronScales scales) {
      return MakeNeuronMatrix(type, scales, n, n, down_memory.data());
    };
    std::vector<uint32_t> list(static_cast<size_t>(n));
    for (size_t i = 0; i < list.size(); ++i) list[i] = static_cast<uint32_t>(i);
    for (const int64_t tokens : {8, 64, 512}) {
      const QuantizedInputs x(k, tokens, n);
      std::vector<float> y(static_cast<size_t>(tokens * n));
      const double flop = 2.0 * static_cast<double>(n * n * tokens);
      const double s =
          Best(tokens > 64 ? 3 : 6, [&] { k.matmul(w, {nullptr, 0, n}, x.view, y.data(), n); });
      const auto add = [&](NeuronScales scales) {
        return Best(tokens > 64 ? 3 : 6, [&] {
          k.add_neurons(down(scales), {list.data(), list.data(), n}, x.x.data(), n, tokens, 0, n,
                        y.data(), n);
        });
      };
      const double t = add(NeuronScales::kShared);
      const double u = !HasOwnScales(type) ? t : add(NeuronScales::kOwn);
      std::printf("prefill  %-4s 4096 x 4096 x %3lld  1 thread  matmul %5.0f GFLOP/s %3.0f %%  "
                  "neurons %5.0f GFLOP/s %3.0f %%  own %5.0f %3.0f %%\n",
                  DTypeName(type), static_cast<long long>(tokens), flop / s / 1e9,
                  100 * flop / s / 1e9 / peak, flop / t / 1e9, 100 * flop / t / 1e9 / peak,
                  flop / u / 1e9, 100 * flop / u / 1e9 / peak);
    }
  }
}

// One piece for as many queries, the values after the keys.
void BenchAttention(const Kernels& k) {
  const int64_t n = kAttentionPiece;
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const int64_t dim : {64, 128}) {
      const int64_t bytes = n * dim * BlockBytes(type);
      const HugeBuffer memory = RandomWeights(type, 2 * bytes);
      const KeyView keys{memory.data(), type, n, dim};
      const KvView values{memory.data() + bytes, type, dim * BlockBytes(type), n, dim};
      const std::vector<float> query(static_cast<size_t>(dim), 0.1F);
      std::vector<float> out(static_cast<size_t>(kAttentionRows * dim));
      std::vector<float> scores(kAttentionRows * kAttentionPiece);
      for (const int64_t queries : {1, 4, 8, 12}) {
        const float* q[kAttentionRows];
        int64_t seen[kAttentionRows];
        AttentionSum sums[kAttentionRows];
        for (int64_t i = 0; i < queries; ++i) {
          q[i] = query.data();
          seen[i] = n;
          sums[i].mixed = out.data() + i * dim;
        }
        const double s = Best(500, [&] {
          k.attend({q, seen, queries}, keys, values, 0.1F, scores.data(), sums);
        });
        std::printf("attention  %-4s 256 x %3lld  %2lld queries  %5.1f GB/s  %5.1f GFLOP/s\n",
                    DTypeName(type), static_cast<long long>(dim),
                    static_cast<long long>(queries), static_cast<double>(2 * bytes) / s / 1e9,
                    4.0 * static_cast<double>(n * dim * queries) / s / 1e9);
      }
    }
  }
}

int Run(const std::string& set, const std::string& only, const std::string& type) {
  const Kernels* const k = SelectKernels(set.c_str());
  if (k == nullptr) {
    std::fprintf(stderr, "there is no kernel set \"%s\" here\n", set.c_str());
    return 2;
  }
  const CpuTopology cpu = DetectCpuTopology();
  std::printf("%s, %d cores, kernels %s\n", CpuModelName().c_str(), cpu.physical, k->name);
  const auto wanted = [&](const char* part) { return only == "all" || only == part; };
  Types types;
  for (const DType t :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K,
        DType::kQ5_K, DType::kQ6_K}) {
    if (type.empty() || type == DTypeName(t)) types.push_back(t);
  }
  Roof roof;
  if (wanted("read") || wanted("decode") || wanted("sparse") ||
      wanted("neurons") || wanted("neurons-cached")) {
    roof = MeasureRead();
  }
  if (wanted("decode")) BenchDecode(*k, roof, types);
  if (wanted("sparse")) BenchSparse(*k, roof, types);
  if (wanted("neurons")) BenchNeurons(*k, roof, types, kWorkingSet);
  // What the arithmetic alone can do, in the second cache.
  if (wanted("neurons-cached")) BenchNeurons(*k, roof, types, 512 << 10);
  if (wanted("pack")) BenchPack(types);
  if (wanted("prefill")) BenchPrefill(*k, types);
  if (wanted("attention")) BenchAttention(*k);
  return 0;
}

}  // namespace
}  // namespace thermocline

int main(int argc, char** argv) {
  return thermocline::Run(argc > 1 ? argv[1] : "auto", argc > 2 ? argv[2] : "all",
                          argc > 3 ? argv[3] : "");
}
