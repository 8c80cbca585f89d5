// The forward pass: token ids and KV caches in, logits out, several timelines in
// one pass over the weights.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "model/cached_attention.h"
#include "model/down_norms.h"
#include "model/kv_cache.h"
#include "model/mode.h"
#include "model/observation.h"
#include "model/prediction_audit.h"
#include "model/sparse_ffn.h"
#include "model/weights.h"
#include "sparsity/predictors.h"
#include "tiers/accountant.h"
#include "util/aligned_vector.h"
#include "util/thread_pool.h"

namespace thermocline {

// Tokens of one timeline: they take positions [position, position + tokens.size()).
struct ForwardItem {
  KvCache* cache = nullptr;
  int64_t position = 0;
  std::span<const int32_t> tokens;
  std::span<const int64_t> logits;  // indices into tokens, ascending
  int64_t label = 0;                // what observers are told as their step item
};

struct ForwardOptions {
  Mode mode = Mode::kDense;
  Predictors* predictors = nullptr;        // REQUIRES: there, in modes predicted and threshold
  Observer* observer = nullptr;            // may be null
  const DownNorms* audit_norms = nullptr;  // not null: compare with what fires, valued by these
};

// Of one layer, summed over tokens.
struct LayerCounts {
  uint64_t fired = 0;
  uint64_t computed = 0;
};

struct ForwardOutcome {
  std::vector<std::vector<std::vector<float>>> logits;  // [items][wanted][vocab]
  std::vector<std::vector<LayerCounts>> counts;         // [items][layers]
  std::vector<PredictionAudit> audits;                  // [items], when asked for
  std::vector<PredictorCost> predictor;                 // [layers], of the whole batch
  uint64_t bytes_read[kTiers] = {0, 0, 0};              // weights, KV and predictors
  uint64_t ffn_bytes_read[kTiers] = {0, 0, 0};          // the FFN's part of it
  double ffn_ms = 0;                                    // in which those were read
};

class Transformer {
 public:
  // At most max_tokens tokens per call and max_context positions per item. Everything referred to
  // outlives the transformer. Reserves its working memory.
  static Result<Transformer> Create(const Hyperparameters& model, const Weights& weights,
                                    SparseFfn& ffn, ThreadPool& pool, const Kernels& kernels,
                                    Accountant& accountant, int64_t max_tokens,
                                    int64_t max_context);
  static uint64_t ScratchBytes(const Hyperparameters& model, const Kernels& kernels,
                               int64_t max_tokens, int64_t max_context, int threads);

  // Runs one batch. `stop` is asked between layers: true ends the call with kAborted; the caches
  // then hold undefined values at the new positions only.
  Status Forward(std::span<const ForwardItem> items, const ForwardOptions& options,
                 const std::function<bool()>& stop, ForwardOutcome* outcome);
  // Working memory that an audit of so many tokens takes besides.
  uint64_t AuditBytes(int64_t max_tokens) const;

 private:
  struct Scratch {
    std::vector<float> residual, normed, attended, projected;  // [max_tokens][width]
    std::vector<float> q, k, v;
    std::vector<float> ffn_out;
    std::vector<float> rope;                // [max_tokens][rope_dim]: cos, sin pairs
    std::vector<float> observed;            // [max_tokens][n_ff] when h is watched
    std::vector<float> audited, discarded;  // of an audit: [max_tokens][n_ff], [max_tokens][d_model]
    AlignedVector<int8_t> quants;           // [max_tokens][max width]: Activations
    AlignedVector<float> quant_scales;
    AlignedVector<int32_t> quant_sums, quant_firsts;
    AlignedVector<uint16_t> bf16;  // [max_tokens][max width], for kernels that round inputs
    Reservation reservation;
  };
  // One token of the batch.
  struct Row {
    int64_t item = 0;
    int64_t position = 0;
    int32_t token = 0;
  };
  // The forms of an input that products with some weights can take, besides F32.
  struct InputForms {
    bool quants = false;
    bool bf16 = false;

    void Add(DType weights) {
      quants = quants || BlockElements(weights) > 1;
      bf16 = bf16 || weights == DType::kBF16;
    }
  };
  // y = W x + b for one of several matrices that share their input.
  struct Product {
    const Linear* linear = nullptr;
    float* y = nullptr;  // [n_tokens][matrix rows]
  };

  Transformer(const Hyperparameters& model, const Weights& weights, SparseFfn& ffn,
              ThreadPool& pool, const Kernels& kernels, int64_t max_context)
      : model_(model),
        weights_(weights),
        ffn_(ffn),
        pool_(pool),
        kernels_(kernels),
        max_context_(max_context),
        attention_(model, pool, kernels) {}

  void GrowAttention();
  void Embed();
  void PrepareRope();
  Status Attention(std::span<const ForwardItem> items, int64_t layer, Observer* observer,
                   ForwardOutcome* outcome);
  FfnChoice Choose(int64_t layer, const ForwardOptions& options) const;
  Status Ffn(std::span<const ForwardItem> items, int64_t layer, const ForwardOptions& options,
             ForwardOutcome* outcome);
  Status Audit(int64_t layer, const DownNorms& norms, const TensorView& input,
               const Activations& x, const FfnTotals& computed, ForwardOutcome* outcome);
  Status Logits(std::span<const ForwardItem> items, ForwardOutcome* outcome);

  void ApplyNorm(const Norm& norm, const float* x, int64_t n_tokens, float* out);
  static InputForms FormsOf(std::span<const Product> products);
  static InputForms FormsOf(std::span<const FfnBlockSource> blocks);
  // An input in these forms, of which BF16 is left out where the kernels do not round.
  Activations Prepare(const float* x, int64_t cols, int64_t n_tokens, InputForms forms);
  void Multiply(std::span<const Product> products, const Activations& x, uint64_t* bytes);
  void Rotate(float* heads, int64_t n_heads, int64_t row);
  // Gives every new key and query its position, and keys and values their places in the caches.
  void RotateAndCache(std::span<const ForwardItem> items, int64_t layer);
  Status Observe(std::span<const ForwardItem> items, Observer* observer, int64_t layer,
                 Stream stream, int64_t width, const float* values);

  const Hyperparameters& model_;
  const Weights& weights_;
  SparseFfn& ffn_;
  ThreadPool& pool_;
  const Kernels& kernels_;
  int64_t max_context_;
  std::vector<double> rope_frequencies_;  // [rope_dim / 2]
  std::vector<Row> rows_;
  std::vector<AttentionRow> attention_rows_;  // the same
  CachedAttention attention_;
  Scratch s_;
};

}  // namespace thermocline
