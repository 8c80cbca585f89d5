#include "model/cached_attention.h"

#include <algorithm>
#include <cmath>

namespace thermocline {
namespace {

// Queries that pass by a piece while its keys and values stay in the second cache.
constexpr int64_t kBlockQueries = 48;
// With fewer blocks per thread than this the pieces of a row are shared.
constexpr int64_t kBlocksPerThread = 4;
constexpr int64_t kInlineProducts = 1 << 14;  // multiply-adds too few to wake threads for

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t PiecesOf(int64_t positions) { return CeilDiv(positions, kAttentionPiece); }

// Tokens of a block, and queries of one head of keys in it.
int64_t BlockTokens(int64_t group) { return std::max<int64_t>(1, kBlockQueries / group); }

}  // namespace

CachedAttention::CachedAttention(const Hyperparameters& model, ThreadPool& pool,
                                 const Kernels& kernels)
    : heads_(model.heads),
      kv_heads_(model.kv_heads),
      head_dim_(model.head_dim),
      group_(model.heads / model.kv_heads),
      pool_(pool),
      kernels_(kernels),
      workers_(static_cast<size_t>(pool.n_threads())) {
  for (Worker& worker : workers_) {
    worker.scores.resize(kAttentionRows * kAttentionPiece);
    worker.mixed.resize(static_cast<size_t>(kAttentionRows * head_dim_));
    worker.sums.resize(static_cast<size_t>(BlockTokens(group_) * group_));
  }
}

uint64_t CachedAttention::ScratchBytes(const Hyperparameters& model, int64_t max_context,
                                       int threads) {
  const int64_t group = model.heads / model.kv_heads;
  const auto sum_bytes = static_cast<int64_t>(sizeof(AttentionSum));
  const int64_t worker = 4 * kAttentionRows * (kAttentionPiece + model.head_dim) +
                         sum_bytes * BlockTokens(group) * group;
  const int64_t parts = model.heads * PiecesOf(max_context);
  return static_cast<uint64_t>(threads * worker + parts * (4 * model.head_dim + sum_bytes));
}

void CachedAttention::Grow(int64_t positions) {
  const auto wanted = static_cast<size_t>(heads_ * PiecesOf(positions));
  if (wanted <= parts_.size()) return;
  // First the memory, which may be refused, then the word that it is there.
  mixed_.resize(wanted * static_cast<size_t>(head_dim_));
  parts_.resize(wanted);
}

void CachedAttention::Run(std::span<const AttentionRow> rows, int64_t layer, const float* q,
                          float* out) {
  const Pass pass{rows, layer, q, out};
  CutBlocks(rows);
  const auto blocks = static_cast<int64_t>(blocks_.size()) * kv_heads_;
  if (blocks >= kBlocksPerThread * pool_.n_threads()) return RunBlocks(pass);
  const int64_t tasks = LayOutParts(rows);
  if (tasks == 0) return RunBlocks(pass);
  RunParts(pass, tasks);
}

void CachedAttention::CutBlocks(std::span<const AttentionRow> rows) {
  blocks_.clear();
  for (size_t r = 0; r < rows.size(); ++r) {
    const bool fits = !blocks_.empty() && blocks_.back().n < BlockTokens(group_) &&
                      rows[r].cache == rows[r - 1].cache;
    if (!fits) blocks_.push_back({static_cast<int64_t>(r), 0});
    ++blocks_.back().n;
  }
}

// The number of tasks; 0 when there is no room for so many parts.
int64_t CachedAttention::LayOutParts(std::span<const AttentionRow> rows) {
  row_parts_.clear();
  int64_t tasks = 0;
  int64_t parts = 0;
  for (const AttentionRow& row : rows) {
    const int64_t pieces = PiecesOf(row.position + 1);
    row_parts_.push_back({tasks, parts, pieces});
    tasks += pieces * kv_heads_;
    parts += pieces * heads_;
  }
  return parts <= static_cast<int64_t>(parts_.size()) ? tasks : 0;
}

void CachedAttention::ForAll(int64_t chunks, bool worth_threads, ChunkBody body) {
  if (worth_threads) return pool_.ParallelFor(chunks, body);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) body(chunk, 0);
}

// --- rows together, piece after piece ----------------------------------------------------

void CachedAttention::RunBlocks(const Pass& pass) {
  auto task = [&](int64_t chunk, int thread) {
    // The longest first: what is left at the end is short.
    const auto n = static_cast<int64_t>(blocks_.size());
    const Block& block = blocks_[static_cast<size_t>(n - 1 - chunk / kv_heads_)];
    RunBlock(pass, block, chunk % kv_heads_, workers_[static_cast<size_t>(thread)]);
  };
  pool_.ParallelFor(static_cast<int64_t>(blocks_.size()) * kv_heads_, task);
}

void CachedAttention::RunBlock(const Pass& pass, const Block& block, int64_t kv_head,
                               Worker& worker) {
  const AttentionRow* const rows = pass.rows.data() + block.begin;
  const int64_t queries = block.n * group_;
  const auto head_of = [&](int64_t i) {
    return (block.begin + i / group_) * heads_ + kv_head * group_ + i % group_;
  };
  for (int64_t i = 0; i < queries; ++i) {
    worker.sums[static_cast<size_t>(i)].mixed = pass.out + head_of(i) * head_dim_;
  }
  const int64_t pieces = PiecesOf(rows[block.n - 1].position + 1);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    int64_t i = 0;
    while (rows[i / group_].position < piece * kAttentionPiece) i += group_;
    while (i < queries) {
      const float* q[kAttentionRows];
      int64_t n[kAttentionRows];
      AttentionSum next[kAttentionRows];
      const int64_t count = std::min(kAttentionRows, queries - i);
      AttentionSum* const sums = worker.sums.data() + i;
      for (int64_t j = 0; j < count; ++j) {
        q[j] = pass.q + head_of(i + j) * head_dim_;
        n[j] = std::min(kAttentionPiece,
                        rows[(i + j) / group_].position + 1 - piece * kAttentionPiece);
        next[j].mixed = worker.mixed.data() + j * head_dim_;
      }
      AttendPiece(pass, piece, kv_head, {q, n, count}, *rows->cache, worker,
                  piece == 0 ? sums : next);
      for (int64_t j = 0; j < count && piece > 0; ++j) {
        kernels_.merge_attention(next[j], head_dim_, sums + j);
      }
      i += count;
    }
  }
  for (int64_t i = 0; i < queries; ++i) Finish(worker.sums[static_cast<size_t>(i)]);
}

// --- each piece of a row for itself, merged afterwards ------------------------------------

void CachedAttention::RunParts(const Pass& pass, int64_t tasks) {
  const bool worth_threads =
      tasks * group_ * std::min(kAttentionPiece, pass.rows.back().position + 1) * head_dim_ >=
      kInlineProducts;
  auto task = [&](int64_t chunk, int thread) {
    RunPart(pass, chunk, workers_[static_cast<size_t>(thread)]);
  };
  ForAll(tasks, worth_threads, task);
  const auto n_rows = static_cast<int64_t>(pass.rows.size());
  auto merge = [&](int64_t chunk, int) { MergeParts(pass, chunk / heads_, chunk % heads_); };
  ForAll(n_rows * heads_, tasks * group_ * head_dim_ >= kInlineProducts, merge);
}

void CachedAttention::RunPart(const Pass& pass, int64_t task, Worker& worker) {
  size_t r = row_parts_.size() - 1;
  while (row_parts_[r].first_task > task) --r;
  const RowParts& parts = row_parts_[r];
  const int64_t kv_head = (task - parts.first_task) / parts.pieces;
  const int64_t piece = (task - parts.first_task) % parts.pieces;
  const int64_t seen =
      std::min(kAttentionPiece, pass.rows[r].position + 1 - piece * kAttentionPiece);
  for (int64_t g = 0; g < group_; g += kAttentionRows) {
    const float* q[kAttentionRows];
    int64_t n[kAttentionRows];
    AttentionSum sums[kAttentionRows];
    const int64_t count = std::min(kAttentionRows, group_ - g);
    const int64_t head = kv_head * group_ + g;
    const auto part_of = [&](int64_t j) {
      return parts.first_part + (head + j) * parts.pieces + piece;
    };
    for (int64_t j = 0; j < count; ++j) {
      q[j] = pass.q + (static_cast<int64_t>(r) * heads_ + head + j) * head_dim_;
      n[j] = seen;
      sums[j].mixed = mixed_.data() + part_of(j) * head_dim_;
    }
    AttendPiece(pass, piece, kv_head, {q, n, count}, *pass.rows[r].cache, worker, sums);
    for (int64_t j = 0; j < count; ++j) parts_[static_cast<size_t>(part_of(j))] = sums[j];
  }
}

void CachedAttention::MergeParts(const Pass& pass, int64_t row, int64_t head) {
  const RowParts& parts = row_parts_[static_cast<size_t>(row)];
  const AttentionSum* const part = parts_.data() + parts.first_part + head * parts.pieces;
  AttentionSum sum = part[0];
  sum.mixed = pass.out + (row * heads_ + head) * head_dim_;
  std::copy_n(part[0].mixed, head_dim_, sum.mixed);
  for (int64_t i = 1; i < parts.pieces; ++i) kernels_.merge_attention(part[i], head_dim_, &sum);
  Finish(sum);
}

// --- shared -------------------------------------------------------------------------------

void CachedAttention::AttendPiece(const Pass& pass, int64_t piece, int64_t kv_head,
                                  const AttentionQueries& queries, const KvCache& cache,
                                  Worker& worker, AttentionSum* sums) const {
  const int64_t begin = piece * kAttentionPiece;
  const int64_t seen = *std::max_element(queries.n, queries.n + queries.count);
  KeyView keys = cache.Keys(pass.layer, kv_head, begin + seen);
  KvView values = cache.Values(pass.layer, kv_head, begin + seen);
  keys.data += begin * values.stride;  // a whole number of blocks, each as large as its values
  values.data += begin * values.stride;
  keys.n = values.n = seen;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim_));
  kernels_.attend(queries, keys, values, scale, worker.scores.data(), sums);
}

void CachedAttention::Finish(const AttentionSum& sum) const {
  const float factor = 1.0F / sum.total;
  for (int64_t c = 0; c < head_dim_; ++c) sum.mixed[c] *= factor;
}

}  // namespace thermocline
