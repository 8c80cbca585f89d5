// Attention of new tokens over the cached keys and values of their timelines.
//
// Positions are cut into pieces of kAttentionPiece. A query's softmax over a piece is made alone
// and merged with that of the pieces before, in order (as in FlashAttention, section 3.1). So the
// bits follow from the query and its timeline: the pieces of one token may be shared by threads,
// and tokens may pass by a piece together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "model/kv_cache.h"
#include "util/thread_pool.h"

namespace thermocline {

// One token of a batch: it sees the positions up to its own.
struct AttentionRow {
  const KvCache* cache = nullptr;
  int64_t position = 0;
};

class CachedAttention {
 public:
  // What is referred to outlives it.
  CachedAttention(const Hyperparameters& model, ThreadPool& pool, const Kernels& kernels);

  // Working memory for timelines of up to `max_context`.
  static uint64_t ScratchBytes(const Hyperparameters& model, int64_t max_context, int threads);
  // Takes the part of it that timelines of so many positions need.
  void Grow(int64_t positions);

  // out[r] = what row r finds in `layer`; q and out are [rows][heads][head_dim]. Rows of one
  // timeline stand together, ascending. REQUIRES: grown for the longest.
  void Run(std::span<const AttentionRow> rows, int64_t layer, const float* q, float* out);

 private:
  // Rows of one timeline that pass by each piece together.
  struct Block {
    int64_t begin = 0;
    int64_t n = 0;
  };
  // Of one thread.
  struct Worker {
    std::vector<float> scores;       // [kAttentionRows][kAttentionPiece]
    std::vector<float> mixed;        // [kAttentionRows][head_dim]
    std::vector<AttentionSum> sums;  // [queries of a block]
  };
  // The pieces of one row, for all heads, in `parts_`.
  struct RowParts {
    int64_t first_task = 0, first_part = 0, pieces = 0;
  };
  // A layer of a batch.
  struct Pass {
    std::span<const AttentionRow> rows;
    int64_t layer = 0;
    const float* q = nullptr;
    float* out = nullptr;
  };

  void CutBlocks(std::span<const AttentionRow> rows);
  int64_t LayOutParts(std::span<const AttentionRow> rows);
  void RunBlocks(const Pass& pass);
  void RunBlock(const Pass& pass, const Block& block, int64_t kv_head, Worker& worker);
  void RunParts(const Pass& pass, int64_t tasks);
  void RunPart(const Pass& pass, int64_t task, Worker& worker);
  void MergeParts(const Pass& pass, int64_t row, int64_t head);
  void AttendPiece(const Pass& pass, int64_t piece, int64_t kv_head, const AttentionQueries& queries,
                   const KvCache& cache, Worker& worker, AttentionSum* sums) const;
  void Finish(const AttentionSum& sum) const;
  void ForAll(int64_t chunks, bool worth_threads, ChunkBody body);

  int64_t heads_, kv_heads_, head_dim_;
  int64_t group_;  // queries that share a head of keys
  ThreadPool& pool_;
  const Kernels& kernels_;
  std::vector<Worker> workers_;
  std::vector<Block> blocks_;
  std::vector<RowParts> row_parts_;
  std::vector<AttentionSum> parts_;  // [row][heads][pieces]
  std::vector<float> mixed_;         // [parts][head_dim]
};

}  // namespace thermocline
