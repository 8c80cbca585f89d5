#include "probe/kernel_probe.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "backends/layout.h"
#include "backends/neuron_layout.h"
#include "probe/measuring.h"
#include "probe/peak_loops.h"
#include "probe/read_loops.h"
#include "util/aligned_vector.h"
#include "util/f16.h"
#include "util/huge_buffer.h"
#include "util/thread_pool.h"

namespace thermocline {
namespace {

constexpr int64_t kCols = 4096;
constexpr int64_t kTaskBytes = 128 << 10;
constexpr int kLists = 4;            // of a tenth of the rows, taken in turn
constexpr int64_t kPeakSteps = 1 << 20;
constexpr uint64_t kLeastSet = uint64_t{1} << 20;

// Bytes that are finite numbers whichever way a kernel reads them. A small pattern repeated: no
// kernel looks at values.
void FillWithWeights(DType type, std::byte* data, size_t bytes) {
  constexpr size_t kPattern = size_t{64} << 10;
  std::mt19937 random(7);
  std::vector<std::byte> pattern(kPattern);
  for (size_t i = 0; i < kPattern; i += 4) {
    const float value = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
    const uint16_t half = type == DType::kBF16 ? F32ToBF16(value) : F32ToF16(value);
    if (type == DType::kF32) {
      std::memcpy(&pattern[i], &value, 4);
    } else {
      std::memcpy(&pattern[i], &half, 2);
      std::memcpy(&pattern[i + 2], &half, 2);
    }
  }
  for (size_t at = 0; at < bytes; at += kPattern) {
    std::memcpy(data + at, pattern.data(), std::min(kPattern, bytes - at));
  }
}

std::vector<float> Values(int64_t n) {
  std::mt19937 random(1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
  return values;
}

Status Invalid(const std::string& message) {
  return Status(StatusCode::kInvalidArgument, message);
}

}  // namespace

// Everything that a pass needs, and the pass itself.
struct KernelProbe::Work {
  explicit Work(const KernelProbeOptions& o)
      : options(o),
        k(o.kernels != nullptr ? *o.kernels : *SelectKernels("auto")),
        pool(o.threads) {}

  const KernelProbeOptions options;
  const Kernels& k;
  ThreadPool pool;
  HugeBuffer memory;
  int64_t bytes = 0, operations = 0;  // of a pass
  std::function<void(int64_t pass)> run;
  int64_t passes = 0;

  // Inputs and outputs.
  std::vector<float> x, y;
  std::vector<int8_t> q;
  std::vector<float> q_scale;
  std::vector<int32_t> q_sum, q_first;
  AlignedVector<uint16_t> bf16;
  std::vector<std::vector<uint32_t>> lists;
  std::atomic<uint64_t> sink{0};

  Status Allocate(int64_t size) {
    ASSIGN_OR_RETURN(memory, HugeBuffer::Allocate(static_cast<size_t>(size)));
    FillWithWeights(options.type, memory.data(), memory.size());
    return Status::Ok();
  }

  void For(int64_t chunks, const std::function<void(int64_t, int)>& body) {
    auto task = [&body](int64_t chunk, int thread) { body(chunk, thread); };
    pool.ParallelFor(chunks, task);
  }

  // Cuts [0, n) into tasks of `step`.
  void ForRange(int64_t n, int64_t step, const std::function<void(int64_t, int64_t, int)>& body) {
    For((n + step - 1) / step, [&](int64_t chunk, int thread) {
      body(chunk * step, std::min(step, n - chunk * step), thread);
    });
  }

  Activations Inputs(int64_t tokens) {
    x = Values(tokens * kCols);
    q.resize(x.size());
    q_scale.resize(x.size() / 32);
    q_sum.resize(q_scale.size());
    q_first.resize(q_scale.size());
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t block = t * (kCols / 32);
      k.quantize(x.data() + t * kCols, kCols, q.data() + t * kCols, q_scale.data() + block,
                 q_sum.data() + block, q_first.data() + block);
    }
    if (k.f32_to_bf16 != nullptr) {
      bf16.resize(x.size());
      k.f32_to_bf16(x.data(), tokens * kCols, bf16.data());
    }
    return {x.data(), kCols, tokens, kCols, q.data(), q_scale.data(), q_sum.data(), q_first.data(),
            bf16.empty() ? nullptr : bf16.data()};
  }

  // Ascending lists of about a tenth of n, each another tenth.
  void MakeLists(int64_t n) {
    std::mt19937 random(3);
    lists.resize(kLists);
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t drawn = static_cast<uint32_t>(random() % 10);
      if (drawn < kLists) lists[drawn].push_back(static_cast<uint32_t>(i));
    }
  }
  const std::vector<uint32_t>& ListOf(int64_t pass) const {
    return lists[static_cast<size_t>(pass % kLists)];
  }

  Status MakeRead();
  void MakePeak(PeakLoop loop);
  Status MakeRows(bool sparse);
  Status MakeDown(NeuronScales scales, bool sparse);
  Status MakeGemm();
  Status MakeDownBatch();
  Status MakeAttention();
  Status MakeSigns();
  Status MakeElementwise(bool norm);
  Status Make();
};

// Another loop in every pass: the best of them is what counts.
Status KernelProbe::Work::MakeRead() {
  constexpr int64_t kPiece = 2 << 20;
  bytes = static_cast<int64_t>(options.working_set) / kPiece * kPiece;
  RETURN_IF_ERROR(Allocate(bytes));
  run = [this, loops = ReadLoops()](int64_t pass) {
    const ReadLoop loop = loops[static_cast<size_t>(pass) % loops.size()];
    For(bytes / kPiece, [&](int64_t piece, int) {
      sink += loop(memory.data() + piece * kPiece, kPiece);
    });
  };
  return Status::Ok();
}

void KernelProbe::Work::MakePeak(PeakLoop loop) {
  operations = loop.operations * kPeakSteps * pool.n_threads();
  run = [this, loop](int64_t) {
    For(pool.n_threads(), [&](int64_t, int) {
      sink += static_cast<uint64_t>(loop.run(kPeakSteps) != 0.0F);
    });
  };
}

Status KernelProbe::Work::MakeRows(bool sparse) {
  const int64_t row_bytes = RowBytes(options.type, kCols);
  const int64_t rows = static_cast<int64_t>(options.working_set) * (sparse ? 4 : 1) / row_bytes;
  RETURN_IF_ERROR(Allocate(rows * row_bytes));
  const RowMatrix w = MakeRowMatrix(options.type, rows, kCols, memory.data());
  const Activations inputs = Inputs(1);
  y.resize(static_cast<size_t>(rows));
  if (sparse) MakeLists(rows);
  const int64_t step = std::max<int64_t>(8, kTaskBytes / row_bytes / 8 * 8);
  const int64_t counted = sparse ? static_cast<int64_t>(lists[0].size()) : rows;
  bytes = counted * row_bytes;
  operations = 2 * counted * kCols;
  run = [this, w, inputs, step, sparse](int64_t pass) {
    const uint32_t* const list = sparse ? ListOf(pass).data() : nullptr;
    const int64_t n = sparse ? static_cast<int64_t>(ListOf(pass).size()) : w.rows;
    ForRange(n, step, [&](int64_t begin, int64_t count, int) {
      const RowSet set = sparse ? RowSet{list + begin, 0, count} : RowSet{nullptr, begin, count};
      k.matmul(w, set, inputs, y.data(), w.rows);
    });
  };
  return Status::Ok();
}

Status KernelProbe::Work::MakeDown(NeuronScales scales, bool sparse) {
  const int64_t block = std::max<int64_t>(32, BlockElements(options.type));
  if (scales == NeuronScales::kOwn && (block > 32 || BlockElements(options.type) == 1)) {
    return Invalid("neurons have scales of their own in Q8_0 and Q4_0");
  }
  const int64_t block_bytes = NeuronMatrixBytes(options.type, scales, block, kCols);
  const int64_t neurons =
      static_cast<int64_t>(options.working_set) * (sparse ? 4 : 1) / block_bytes * block;
  if (neurons == 0) return Invalid("the working set is smaller than one group of neurons");
  RETURN_IF_ERROR(Allocate(NeuronMatrixBytes(options.type, scales, neurons, kCols)));
  const NeuronMatrix w = MakeNeuronMatrix(options.type, scales, neurons, kCols, memory.data());
  x.assign(static_cast<size_t>(neurons), 0.001F);
  y.resize(static_cast<size_t>(pool.n_threads() * kCols));
  lists.resize(1);
  if (sparse) {
    MakeLists(neurons);
  } else {
    for (int64_t i = 0; i < neurons; ++i) lists[0].push_back(static_cast<uint32_t>(i));
  }
  const auto counted = static_cast<int64_t>(lists[0].size());
  // With shared scales: a tenth of the rows, but the scales of nearly every group.
  bytes = sparse ? counted * w.row_bytes : static_cast<int64_t>(memory.size());
  if (sparse && w.group_bytes > 0) bytes += neurons / 32 * (w.group_bytes - 32 * w.row_bytes);
  operations = 2 * counted * kCols;
  run = [this, w, sparse](int64_t pass) {
    const std::vector<uint32_t>& list = sparse ? ListOf(pass) : lists[0];
    ForRange(static_cast<int64_t>(list.size()), 256, [&](int64_t begin, int64_t n, int thread) {
      const uint32_t* const at = list.data() + begin;
      k.accumulate_neurons(w, {at, at, n}, x.data(), y.data() + thread * kCols);
    });
  };
  return Status::Ok();
}

Status KernelProbe::Work::MakeGemm() {
  const int64_t row_bytes = RowBytes(options.type, kCols);
  RETURN_IF_ERROR(Allocate(kCols * row_bytes));
  const RowMatrix w = MakeRowMatrix(options.type, kCols, kCols, memory.data());
  const Activations inputs = Inputs(options.tokens);
  y.resize(static_cast<size_t>(options.tokens * kCols));
  bytes = kCols * row_bytes;
  operations = 2 * kCols * kCols * options.tokens;
  run = [this, w, inputs](int64_t) {
    ForRange(kCols, 32, [&](int64_t begin, int64_t n, int) {
      k.matmul(w, {nullptr, begin, n}, inputs, y.data(), kCols);
    });
  };
  return Status::Ok();
}

Status KernelProbe::Work::MakeDownBatch() {
  RETURN_IF_ERROR(Allocate(NeuronMatrixBytes(options.type, NeuronScales::kShared, kCols, kCols)));
  const NeuronMatrix w =
      MakeNeuronMatrix(options.type, NeuronScales::kShared, kCols, kCols, memory.data());
  x = Values(options.tokens * kCols);
  y.resize(x.size());
  lists.resize(1);
  for (int64_t i = 0; i < kCols; ++i) lists[0].push_back(static_cast<uint32_t>(i));
  bytes = static_cast<int64_t>(memory.size());
  operations = 2 * kCols * kCols * options.tokens;
  run = [this, w](int64_t) {
    const uint32_t* const all = lists[0].data();
    ForRange(kCols, kNeuronColumns, [&](int64_t c, int64_t n, int) {
      k.add_neurons(w, {all, all, kCols}, x.data(), kCols, options.tokens, c, c + n, y.data(),
                    kCols);
    });
  };
  return Status::Ok();
}

// Queries that share a head of keys, over a long timeline: what decoding does.
Status KernelProbe::Work::MakeAttention() {
  constexpr int64_t kHeadDim = 128;
  const int64_t piece_bytes = kAttentionPiece * kHeadDim * BlockBytes(options.type);
  const int64_t pieces = static_cast<int64_t>(options.working_set) / piece_bytes / 2;
  RETURN_IF_ERROR(Allocate(2 * pieces * piece_bytes));
  x = Values(options.tokens * kHeadDim);
  y.resize(static_cast<size_t>(pool.n_threads() * kAttentionRows * (kAttentionPiece + kHeadDim)));
  bytes = 2 * pieces * piece_bytes;
  operations = 4 * options.tokens * pieces * kAttentionPiece * kHeadDim;
  run = [this, pieces, piece_bytes](int64_t) {
    For(pieces, [&](int64_t piece, int thread) {
      const float* queries[kAttentionRows];
      int64_t seen[kAttentionRows];
      AttentionSum sums[kAttentionRows];
      float* const scores = y.data() + thread * kAttentionRows * (kAttentionPiece + kHeadDim);
      for (int64_t i = 0; i < options.tokens; ++i) {
        queries[i] = x.data() + i * kHeadDim;
        seen[i] = kAttentionPiece;
        sums[i].mixed = scores + kAttentionRows * kAttentionPiece + i * kHeadDim;
      }
      const std::byte* const keys = memory.data() + piece * piece_bytes;
      k.attend({queries, seen, options.tokens}, {keys, options.type, kAttentionPiece, kHeadDim},
               {keys + pieces * piece_bytes, options.type, kHeadDim * BlockBytes(options.type),
                kAttentionPiece, kHeadDim},
               0.1F, scores, sums);
    });
  };
  return Status::Ok();
}

Status KernelProbe::Work::MakeSigns() {
  constexpr int64_t kWords = kCols / 64;
  const int64_t rows = static_cast<int64_t>(options.working_set) / (8 * kWords);
  RETURN_IF_ERROR(Allocate(rows * 8 * kWords));
  y.resize(static_cast<size_t>(rows));
  bytes = rows * 8 * kWords;
  operations = rows * kCols;
  run = [this, rows](int64_t) {
    const auto* const signs = reinterpret_cast<const uint64_t*>(memory.data());
    ForRange(rows, kTaskBytes / (8 * kWords), [&](int64_t begin, int64_t n, int) {
      k.sign_scores(signs + begin * kWords, n, kWords, kCols, signs, y.data() + begin);
    });
  };
  return Status::Ok();
}

// Vectors one after the other, so that they come from memory.
Status KernelProbe::Work::MakeElementwise(bool norm) {
  const int64_t rows = static_cast<int64_t>(options.working_set) / (4 * kCols);
  RETURN_IF_ERROR(Allocate(rows * 4 * kCols));
  Inputs(pool.n_threads());
  y.resize(x.size());
  bytes = rows * 4 * kCols;
  run = [this, rows, norm](int64_t) {
    const auto* const from = reinterpret_cast<const float*>(memory.data());
    ForRange(rows, 8, [&](int64_t begin, int64_t n, int thread) {
      const int64_t block = thread * (kCols / 32);
      for (int64_t r = begin; r < begin + n; ++r) {
        if (norm) {
          k.rms_norm(from + r * kCols, x.data(), kCols, 1e-5F, y.data() + thread * kCols);
        } else {
          k.quantize(from + r * kCols, kCols, q.data() + thread * kCols, q_scale.data() + block,
                     q_sum.data() + block, q_first.data() + block);
        }
      }
    });
  };
  return Status::Ok();
}

Status KernelProbe::Work::Make() {
  const std::string& name = options.kernel;
  if (name == "read") return MakeRead();
  if (name == "rows" || name == "rows-sparse") return MakeRows(name == "rows-sparse");
  if (name == "down") return MakeDown(NeuronScales::kShared, false);
  if (name == "down-sparse") return MakeDown(NeuronScales::kShared, true);
  if (name == "own-down") return MakeDown(NeuronScales::kOwn, false);
  if (name == "own-down-sparse") return MakeDown(NeuronScales::kOwn, true);
  if (name == "gemm") return MakeGemm();
  if (name == "down-batch") return MakeDownBatch();
  if (name == "attention") return MakeAttention();
  if (name == "signs") return MakeSigns();
  if (name == "quantize" || name == "norm") return MakeElementwise(name == "norm");
  if (name == "multiply-bf16") {
    MakePeak(Bf16Peak());
  } else {
    MakePeak(name == "multiply-floats" ? FloatPeak() : BytePeak());
  }
  return Status::Ok();
}

const std::vector<KernelProbeInfo>& ListKernelProbes() {
  static const std::vector<KernelProbeInfo> kList = [] {
    std::vector<KernelProbeInfo> list = {
        {"read", "the fastest loop that only reads", "", false, false}};
    if (FloatPeak().run != nullptr) {
      list.push_back({"multiply-floats", "fused multiply-adds of floats", "", false, false});
    }
    if (BytePeak().run != nullptr) {
      list.push_back({"multiply-bytes", "products of bytes, summed", "", false, false});
    }
    if (Bf16Peak().run != nullptr) {
      list.push_back({"multiply-bf16", "products of BF16, summed", "", false, false});
    }
    const KernelProbeInfo kernels[] = {
        {"rows", "products with all rows, one token", "bytes", true, false},
        {"rows-sparse", "products with a tenth of the rows", "bytes", true, false},
        {"down", "all neurons added up, one token", "bytes", true, false},
        {"down-sparse", "a tenth of the neurons added up", "bytes", true, false},
        {"own-down", "as down, each neuron with its own scales", "bytes", true, false},
        {"own-down-sparse", "as down-sparse, each neuron with its own scales", "bytes", true,
         false},
        {"gemm", "products with all rows, several tokens", "operations", true, true},
        {"down-batch", "all neurons added up, several tokens", "operations", true, true},
        {"attention", "queries that share a long timeline", "bytes", true, true},
        {"signs", "scores from signs", "bytes", false, false},
        {"quantize", "inputs to 8 bits", "bytes", false, false},
        {"norm", "RMS norms", "bytes", false, false},
    };
    list.insert(list.end(), std::begin(kernels), std::end(kernels));
    return list;
  }();
  return kList;
}

Result<KernelProbe> KernelProbe::Create(const KernelProbeOptions& options) {
  const auto& list = ListKernelProbes();
  const auto info = std::find_if(list.begin(), list.end(),
                                 [&](const auto& i) { return options.kernel == i.name; });
  if (info == list.end()) return Invalid("there is no kernel \"" + options.kernel + "\" here");
  if (options.threads < 1 || options.threads > 1024) return Invalid("threads must be 1 to 1024");
  if (options.working_set < kLeastSet || options.working_set > uint64_t{1} << 40) {
    return Invalid("the working set must have 1 MiB to 1 TiB");
  }
  const bool attention = options.kernel == "attention";
  if (options.tokens < 1 || options.tokens > (attention ? kAttentionRows : 4096)) {
    return Invalid(attention ? "attention takes 1 to 12 queries" : "tokens must be 1 to 4096");
  }
  if (attention && options.type != DType::kF16 && options.type != DType::kF32) {
    return Invalid("keys and values are F16 or F32");
  }
  auto work = std::make_unique<Work>(options);
  RETURN_IF_ERROR(work->Make());
  return KernelProbe(std::move(work));
}

KernelProbe::KernelProbe(std::unique_ptr<Work> work) : work_(std::move(work)) {}
KernelProbe::KernelProbe(KernelProbe&&) noexcept = default;
KernelProbe::~KernelProbe() = default;

KernelPass KernelProbe::Run() {
  const auto start = Clock::now();
  work_->run(work_->passes++);
  return {static_cast<uint64_t>(work_->bytes), static_cast<uint64_t>(work_->operations),
          SecondsSince(start)};
}

}  // namespace thermocline
