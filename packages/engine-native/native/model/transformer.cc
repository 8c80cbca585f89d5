#include "model/transformer.h"

#include <algorithm>
#include <cmath>

namespace thermocline {
namespace {

constexpr int64_t kChunkBytes = 128 << 10;   // weights per task while decoding
constexpr int64_t kRowsPerTask = 8;          // of a batch, in what is done row by row
constexpr int64_t kFirstPositions = 4096;    // that attention has room for at first

// Calls body(row) for each of n rows, by several threads when there are several tasks of them.
template <typename Body>
void ForRows(ThreadPool& pool, int64_t n, Body body) {
  auto task = [&](int64_t chunk, int) {
    const int64_t end = std::min(n, (chunk + 1) * kRowsPerTask);
    for (int64_t r = chunk * kRowsPerTask; r < end; ++r) body(r);
  };
  pool.ParallelFor((n + kRowsPerTask - 1) / kRowsPerTask, task);
}

int64_t WidestInput(const Hyperparameters& model) {
  return std::max(model.d_model, model.heads * model.head_dim);
}

}  // namespace

uint64_t Transformer::ScratchBytes(const Hyperparameters& model, const Kernels& kernels,
                                   int64_t max_tokens, int64_t max_context, int threads) {
  const int64_t d_q = model.heads * model.head_dim;
  const int64_t d_kv = model.kv_heads * model.head_dim;
  const int64_t widest = WidestInput(model);
  const int64_t per_token = 4 * (4 * model.d_model + 2 * d_q + 2 * d_kv + model.rope_dim) + widest +
                            12 * (widest / 32 + 1) +
                            (kernels.f32_to_bf16 != nullptr ? 2 * widest : 0);
  return static_cast<uint64_t>(max_tokens * per_token) +
         CachedAttention::ScratchBytes(model, max_context, threads);
}

Result<Transformer> Transformer::Create(const Hyperparameters& model, const Weights& weights,
                                        SparseFfn& ffn, ThreadPool& pool, const Kernels& kernels,
                                        Accountant& accountant, int64_t max_tokens,
                                        int64_t max_context) {
  Transformer t(model, weights, ffn, pool, kernels, max_context);
  Scratch& s = t.s_;
  ASSIGN_OR_RETURN(s.reservation,
                   accountant.Reserve(ScratchBytes(model, kernels, max_tokens, max_context,
                                                   pool.n_threads()),
                                      "scratch"));
  const auto rows = [max_tokens](int64_t width) {
    return static_cast<size_t>(max_tokens * width);
  };
  s.residual.resize(rows(model.d_model));
  s.normed.resize(rows(model.d_model));
  s.projected.resize(rows(model.d_model));
  s.ffn_out.resize(rows(model.d_model));
  s.q.resize(rows(model.heads * model.head_dim));
  s.attended.resize(s.q.size());
  s.k.resize(rows(model.kv_heads * model.head_dim));
  s.v.resize(s.k.size());
  s.rope.resize(rows(model.rope_dim));
  s.quants.resize(rows(WidestInput(model)));
  s.quant_scales.resize(rows(WidestInput(model) / 32 + 1));
  s.quant_sums.resize(s.quant_scales.size());
  s.quant_firsts.resize(s.quant_scales.size());
  if (kernels.f32_to_bf16 != nullptr) s.bf16.resize(s.quants.size());
  for (int64_t i = 0; i < model.rope_dim / 2; ++i) {
    t.rope_frequencies_.push_back(
        std::pow(static_cast<double>(model.rope_theta),
                 -2.0 * static_cast<double>(i) / static_cast<double>(model.rope_dim)) /
        static_cast<double>(model.rope_scale));
  }
  return t;
}

Status Transformer::Forward(std::span<const ForwardItem> items, const ForwardOptions& options,
                            const std::function<bool()>& stop, ForwardOutcome* outcome) {
  const auto n_layers = static_cast<size_t>(model_.layers);
  *outcome = ForwardOutcome();
  outcome->logits.resize(items.size());
  outcome->counts.assign(items.size(), std::vector<LayerCounts>(n_layers));
  outcome->predictor.resize(n_layers);
  if (options.audit_norms != nullptr) {
    for (const ForwardItem& item : items) {
      outcome->audits.push_back({static_cast<int64_t>(item.tokens.size()),
                                 std::vector<PredictionAudit::Layer>(n_layers)});
    }
  }
  rows_.clear();
  attention_rows_.clear();
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t t = 0; t < items[i].tokens.size(); ++t) {
      rows_.push_back({static_cast<int64_t>(i), items[i].position + static_cast<int64_t>(t),
                       items[i].tokens[t]});
      attention_rows_.push_back({items[i].cache, rows_.back().position});
    }
  }
  if (rows_.empty()) return Status::Ok();

  GrowAttention();
  Embed();
  PrepareRope();
  for (int64_t layer = 0; layer < model_.layers; ++layer) {
    if (stop()) return Status(StatusCode::kAborted, "the step was stopped");
    RETURN_IF_ERROR(Attention(items, layer, options.observer, outcome));
    RETURN_IF_ERROR(Ffn(items, layer, options, outcome));
  }
  for (const PredictorCost& cost : outcome->predictor) {
    outcome->bytes_read[static_cast<size_t>(Tier::kCpu)] += cost.bytes;
  }
  return Logits(items, outcome);
}

// A context of millions is planned for, but paid for only when a timeline gets there.
void Transformer::GrowAttention() {
  int64_t longest = 0;
  for (const Row& row : rows_) longest = std::max(longest, row.position + 1);
  int64_t grown = kFirstPositions;
  while (grown < longest) grown *= 2;
  attention_.Grow(std::min(grown, max_context_));
}

void Transformer::Embed() {
  const bool learned = weights_.architecture->positions == PositionKind::kLearned;
  for (size_t r = 0; r < rows_.size(); ++r) {
    float* const x = s_.residual.data() + static_cast<int64_t>(r) * model_.d_model;
    kernels_.widen_row(weights_.embedding, rows_[r].token, x);
    if (!learned) continue;
    kernels_.widen_row(weights_.position_embedding, rows_[r].position + model_.position_offset,
                       s_.normed.data());
    kernels_.add(s_.normed.data(), model_.d_model, x);
  }
}

// The angle of pair i at position p is p * theta^(-2i/d) (RoFormer, section 3.2.2).
void Transformer::PrepareRope() {
  if (weights_.architecture->positions != PositionKind::kRope) return;
  for (size_t r = 0; r < rows_.size(); ++r) {
    float* const pairs = s_.rope.data() + static_cast<int64_t>(r) * model_.rope_dim;
    for (size_t i = 0; i < rope_frequencies_.size(); ++i) {
      const double angle = static_cast<double>(rows_[r].position) * rope_frequencies_[i];
      pairs[2 * i] = static_cast<float>(std::cos(angle));
      pairs[2 * i + 1] = static_cast<float>(std::sin(angle));
    }
  }
}

Status Transformer::Attention(std::span<const ForwardItem> items, int64_t layer,
                              Observer* observer, ForwardOutcome* outcome) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const auto n_tokens = static_cast<int64_t>(rows_.size());
  const int64_t d_q = model_.heads * model_.head_dim;
  uint64_t* const bytes = &outcome->bytes_read[static_cast<size_t>(Tier::kCpu)];

  RETURN_IF_ERROR(
      Observe(items, observer, layer, Stream::kResidual, model_.d_model, s_.residual.data()));
  ApplyNorm(w.attention_norm, s_.residual.data(), n_tokens, s_.normed.data());
  const Product products[] = {{&w.q, s_.q.data()}, {&w.k, s_.k.data()}, {&w.v, s_.v.data()}};
  Multiply(products, Prepare(s_.normed.data(), model_.d_model, n_tokens, FormsOf(products)), bytes);

  RotateAndCache(items, layer);
  for (const AttentionRow& row : attention_rows_) {
    const KvView view = row.cache->Values(layer, 0, row.position + 1);
    *bytes += static_cast<uint64_t>(2 * view.n * view.stride * model_.kv_heads);
  }
  attention_.Run(attention_rows_, layer, s_.q.data(), s_.attended.data());
  RETURN_IF_ERROR(Observe(items, observer, layer, Stream::kAttention, d_q, s_.attended.data()));

  const Product output[] = {{&w.o, s_.projected.data()}};
  Multiply(output, Prepare(s_.attended.data(), d_q, n_tokens, FormsOf(output)), bytes);
  kernels_.add(s_.projected.data(), n_tokens * model_.d_model, s_.residual.data());
  return Status::Ok();
}

void Transformer::RotateAndCache(std::span<const ForwardItem> items, int64_t layer) {
  const int64_t d_kv = model_.kv_heads * model_.head_dim;
  ForRows(pool_, static_cast<int64_t>(rows_.size()), [&](int64_t r) {
    const Row& row = rows_[static_cast<size_t>(r)];
    float* const k = s_.k.data() + r * d_kv;
    Rotate(s_.q.data() + r * model_.heads * model_.head_dim, model_.heads, r);
    Rotate(k, model_.kv_heads, r);
    items[static_cast<size_t>(row.item)].cache->Write(layer, row.position, k,
                                                      s_.v.data() + r * d_kv, kernels_);
  });
}

Status Transformer::Logits(std::span<const ForwardItem> items, ForwardOutcome* outcome) {
  const int64_t d = model_.d_model;
  // Rows wanted are moved to the front of the residual, which is not needed any more.
  std::vector<std::pair<size_t, size_t>> wanted;  // item, index in its list
  int64_t first_row = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t j = 0; j < items[i].logits.size(); ++j) {
      const int64_t row = first_row + items[i].logits[j];
      std::copy_n(s_.residual.data() + row * d, d,
                  s_.residual.data() + static_cast<int64_t>(wanted.size()) * d);
      wanted.emplace_back(i, j);
    }
    outcome->logits[i].resize(items[i].logits.size());
    first_row += static_cast<int64_t>(items[i].tokens.size());
  }
  const auto n = static_cast<int64_t>(wanted.size());
  if (n == 0) return Status::Ok();

  ApplyNorm(weights_.output_norm, s_.residual.data(), n, s_.normed.data());
  std::vector<float> logits(static_cast<size_t>(n * model_.vocab));
  const Linear head{weights_.output, {}};
  const Product product[] = {{&head, logits.data()}};
  Multiply(product, Prepare(s_.normed.data(), d, n, FormsOf(product)),
           &outcome->bytes_read[static_cast<size_t>(Tier::kCpu)]);
  if (n == 1) {
    outcome->logits[wanted[0].first][wanted[0].second] = std::move(logits);
    return Status::Ok();
  }
  for (size_t r = 0; r < wanted.size(); ++r) {
    const auto begin = logits.begin() + static_cast<int64_t>(r) * model_.vocab;
    outcome->logits[wanted[r].first][wanted[r].second].assign(begin, begin + model_.vocab);
  }
  return Status::Ok();
}

void Transformer::ApplyNorm(const Norm& norm, const float* x, int64_t n_tokens, float* out) {
  const int64_t d = model_.d_model;
  ForRows(pool_, n_tokens, [&](int64_t t) {
    if (weights_.architecture->norm == NormKind::kRms) {
      kernels_.rms_norm(x + t * d, norm.weight.data(), d, model_.norm_epsilon, out + t * d);
    } else {
      kernels_.layer_norm(x + t * d, norm.weight.data(), norm.bias.data(), d,
                          model_.norm_epsilon, out + t * d);
    }
  });
}

Transformer::InputForms Transformer::FormsOf(std::span<const Product> products) {
  InputForms forms;
  for (const Product& product : products) forms.Add(product.linear->matrix.type);
  return forms;
}

Activations Transformer::Prepare(const float* x, int64_t cols, int64_t n_tokens, InputForms forms) {
  forms.bf16 = forms.bf16 && kernels_.f32_to_bf16 != nullptr;
  Activations a;
  a.x = x;
  a.x_stride = cols;
  a.n_tokens = n_tokens;
  a.cols = cols;
  if (!forms.quants && !forms.bf16) return a;
  ForRows(pool_, n_tokens, [&](int64_t t) {
    if (forms.bf16) kernels_.f32_to_bf16(x + t * cols, cols, s_.bf16.data() + t * cols);
    if (!forms.quants) return;
    const int64_t block = t * (cols / 32);
    kernels_.quantize(x + t * cols, cols, s_.quants.data() + t * cols,
                      s_.quant_scales.data() + block, s_.quant_sums.data() + block,
                      s_.quant_firsts.data() + block);
  });
  if (forms.bf16) a.bf16 = s_.bf16.data();
  if (!forms.quants) return a;
  a.q = s_.quants.data();
  a.q_scale = s_.quant_scales.data();
  a.q_sum = s_.quant_sums.data();
  a.q_first = s_.quant_firsts.data();
  return a;
}

void Transformer::Multiply(std::span<const Product> products, const Activations& x,
                           uint64_t* bytes) {
  // Tasks are runs of rows; a batch takes fewer bytes of weights per task for the same time.
  struct Run {
    const Product* product;
    int64_t rows_per_chunk;
    int64_t end;  // chunks so far
  };
  Run runs[4];
  size_t n_runs = 0;
  int64_t n_chunks = 0;
  for (const Product& product : products) {
    const RowMatrix& w = product.linear->matrix;
    const int64_t by_bytes = kChunkBytes / std::max<int64_t>(1, w.row_bytes);
    const int64_t rows = x.n_tokens == 1 ? std::max<int64_t>(8, by_bytes / 8 * 8) : 32;
    n_chunks += (w.rows + rows - 1) / rows;
    runs[n_runs++] = {&product, rows, n_chunks};
    *bytes += static_cast<uint64_t>(w.rows * w.row_bytes);
  }
  auto task = [&](int64_t chunk, int) {
    const Run* run = runs;
    int64_t start = 0;
    while (chunk >= run->end) start = run++->end;
    const RowMatrix& w = run->product->linear->matrix;
    const std::vector<float>& bias = run->product->linear->bias;
    const int64_t begin = (chunk - start) * run->rows_per_chunk;
    const int64_t n = std::min(run->rows_per_chunk, w.rows - begin);
    float* const y = run->product->y;
    kernels_.matmul(w, {nullptr, begin, n}, x, y, w.rows);
    if (bias.empty()) return;
    for (int64_t t = 0; t < x.n_tokens; ++t) {
      kernels_.add(bias.data() + begin, n, y + t * w.rows + begin);
    }
  };
  pool_.ParallelFor(n_chunks, task);
}

void Transformer::Rotate(float* heads, int64_t n_heads, int64_t row) {
  if (weights_.architecture->positions != PositionKind::kRope) return;
  const float* const pairs = s_.rope.data() + row * model_.rope_dim;
  const int64_t half = model_.rope_dim / 2;
  const bool interleaved = model_.rope_layout == RopeLayout::kInterleaved;
  for (int64_t head = 0; head < n_heads; ++head) {
    float* const x = heads + head * model_.head_dim;
    for (int64_t i = 0; i < half; ++i) {
      float& a = x[interleaved ? 2 * i : i];
      float& b = x[interleaved ? 2 * i + 1 : i + half];
      const float c = pairs[2 * i];
      const float s = pairs[2 * i + 1];
      const float rotated = a * c - b * s;
      b = a * s + b * c;
      a = rotated;
    }
  }
}

Status Transformer::Observe(std::span<const ForwardItem> items, Observer* observer,
                            int64_t layer, Stream stream, int64_t width, const float* values) {
  if (observer == nullptr || !observer->Wants(layer, stream)) return Status::Ok();
  // Rows of one item stand together; hand them over item by item.
  for (size_t begin = 0; begin < rows_.size();) {
    size_t end = begin;
    while (end < rows_.size() && rows_[end].item == rows_[begin].item) ++end;
    ObservedRows rows;
    rows.layer = layer;
    rows.stream = stream;
    rows.item = items[static_cast<size_t>(rows_[begin].item)].label;
    rows.position = rows_[begin].position;
    rows.rows = static_cast<int64_t>(end - begin);
    rows.width = width;
    rows.values = values + static_cast<int64_t>(begin) * width;
    rows.pool = &pool_;
    RETURN_IF_ERROR(observer->OnRows(rows));
    begin = end;
  }
  return Status::Ok();
}

}  // namespace thermocline
