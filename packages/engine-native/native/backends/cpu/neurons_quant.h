// Adding up quantised rows of the down matrix, for one token and for several. Sums of a set are
// exact, so how many tokens or columns are taken at a time changes no bit. Included after an
// instruction set's words.h.
#pragma once

#include "backends/cpu/neuron_factors.h"
#include "backends/cpu/neurons_batch.h"

namespace thermocline {
namespace {

constexpr int64_t kPanelColumns = kPanelBlocks * kBlock;

template <typename Q>
TC_INLINE int64_t QuantBytes(int64_t columns) {
  return columns * kChunkBytes / Q::kChunkColumns;
}

// Fetches what a run will read of the columns [begin, end), in steps that take turns with the
// arithmetic: row by row, since memory is fastest when it is asked for what lies together.
template <typename Q, bool kOwn>
TC_INLINE void FetchRun(const NeuronMatrix& w, const NeuronRun<kOwn>& run, int64_t begin,
                        int64_t end, int64_t step, int64_t steps) {
  if (run.count == 0) return;
  const int64_t offset = QuantBytes<Q>(begin);
  const int64_t bytes = QuantBytes<Q>(end - begin);
  const int64_t last = run.count * (step + 1) / steps;
  for (int64_t i = run.count * step / steps; i < last; ++i) {
    FetchStretch(run.rows[i] + offset, bytes);
    if constexpr (kOwn) {
      FetchStretch(run.rows[i] + QuantBytes<Q>(w.cols) + begin / kBlock * 2,
                   (end - begin) / kBlock * 2);
    }
  }
  if constexpr (!kOwn) {
    const std::byte* const scales = w.data + run.set * w.group_bytes + kBlock * w.row_bytes;
    const int64_t first = begin + (end - begin) * step / steps;
    FetchStretch(scales + 2 * first, 2 * ((end - begin) * (step + 1) / steps + begin - first));
  }
}

// One run of N tokens; y is column `begin` of the first.
template <typename Q, bool kOwn, int N>
TC_INLINE void AddPanel(const NeuronMatrix& w, const NeuronRun<kOwn>& run,
                        const RunFactors<kOwn>* factors, int64_t panel, int64_t begin, int64_t end,
                        float* y, int64_t y_stride) {
  const std::byte* scales = nullptr;
  if constexpr (!kOwn) {
    scales = w.data + run.set * w.group_bytes + kBlock * w.row_bytes + 2 * begin;
  }
  AddColumns<Q, kOwn, N>({run, factors, QuantBytes<Q>(begin), 0, scales, y, y_stride}, panel, begin,
                         end);
}

// y holds the columns [col_begin, col_end).
template <typename Q, bool kOwn>
void AccumulateQuant(const NeuronMatrix& w, const NeuronList& list, const float* h,
                     int64_t col_begin, int64_t col_end, float* y) {
  NeuronRun<kOwn> runs[2];
  RunFactors<kOwn> factors;
  int64_t next = 0;
  const float* const skip = SetsAscend<kOwn>(list) ? nullptr : h;
  const int64_t steps = (col_end - col_begin + kNeuronColumns - 1) / kNeuronColumns;
  TakeRun<kOwn>(w, list, skip, &next, &runs[0]);
  FetchRun<Q, kOwn>(w, runs[0], col_begin, col_end, 0, 1);
  for (int at = 0; runs[at].count > 0; at = 1 - at) {
    const NeuronRun<kOwn>& run = runs[at];
    NeuronRun<kOwn>& ahead = runs[1 - at];
    TakeRun<kOwn>(w, list, skip, &next, &ahead);
    if constexpr (!kOwn) MakeFactors(run, h, &factors);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t c = col_begin + step * kNeuronColumns;
      const int64_t panel = c - step * kNeuronColumns % kPanelColumns;
      FetchRun<Q, kOwn>(w, ahead, col_begin, col_end, step, steps);
      if constexpr (kOwn) {
        const int64_t blocks = MinOf(kPanelColumns, col_end - panel) / kBlock;
        if (c == panel) {
          MakeFactors(run, h, QuantBytes<Q>(w.cols), c / kBlock, blocks, &factors);
        }
      }
      AddPanel<Q, kOwn, 1>(w, run, &factors, panel, c, MinOf(c + kNeuronColumns, col_end),
                           y + (c - col_begin), 0);
    }
  }
}

// --- several tokens ---------------------------------------------------------------------------

constexpr int64_t kTokensAtOnce = 32;

// Any order of rows, one token at a time.
template <typename Q, bool kOwn>
TC_INLINE void SumQuantByToken(const SumTile& tile, int64_t n_tokens, int64_t col_begin,
                               int64_t col_end) {
  float sums[kPanelColumns];
  for (int64_t c = col_begin; c < col_end; c += kPanelColumns) {
    const int64_t n = MinOf(kPanelColumns, col_end - c);
    for (int64_t t = 0; t < n_tokens; ++t) {
      for (int64_t i = 0; i < n; i += kLanes) Store(sums + i, Zero());
      AccumulateQuant<Q, kOwn>(tile.w, tile.list, tile.h + t * tile.h_stride, c, c + n, sums);
      float* const y = tile.y + t * tile.y_stride + c;
      for (int64_t i = 0; i < n; i += kLanes) Store(y + i, Add(Load(y + i), Load(sums + i)));
    }
  }
}

// At most kTokensAtOnce tokens and kPanelColumns columns, [c, end), sets ascending.
template <typename Q, bool kOwn>
TC_INLINE void SumQuantPanel(const SumTile& tile, int64_t n_tokens, int64_t c, int64_t end) {
  constexpr int kTile = kQuantSumTokens;
  float sums[kTokensAtOnce * kPanelColumns];
  const int64_t n = end - c;
  for (int64_t i = 0; i < n_tokens * n; i += kLanes) Store(sums + i, Zero());
  NeuronRun<kOwn> runs[2];
  RunFactors<kOwn> factors[kTile];
  int64_t next = 0;
  TakeRun<kOwn>(tile.w, tile.list, nullptr, &next, &runs[0]);
  for (int at = 0; runs[at].count > 0; at = 1 - at) {
    const NeuronRun<kOwn>& run = runs[at];
    TakeRun<kOwn>(tile.w, tile.list, nullptr, &next, &runs[1 - at]);
    FetchRun<Q, kOwn>(tile.w, runs[1 - at], c, end, 0, 1);
    const auto make = [&](int64_t t, RunFactors<kOwn>* out) {
      const float* const h = tile.h + t * tile.h_stride;
      if constexpr (kOwn) {
        MakeFactors(run, h, QuantBytes<Q>(tile.w.cols), c / kBlock, n / kBlock, out);
      } else {
        MakeFactors(run, h, out);
      }
    };
    int64_t t = 0;
    for (; t + kTile <= n_tokens; t += kTile) {
      for (int i = 0; i < kTile; ++i) make(t + i, factors + i);
      AddPanel<Q, kOwn, kTile>(tile.w, run, factors, c, c, end, sums + t * n, n);
    }
    for (; t < n_tokens; ++t) {
      make(t, factors);
      AddPanel<Q, kOwn, 1>(tile.w, run, factors, c, c, end, sums + t * n, n);
    }
  }
  for (int64_t t = 0; t < n_tokens; ++t) {
    float* const y = tile.y + t * tile.y_stride + c;
    for (int64_t i = 0; i < n; i += kLanes) Store(y + i, Add(Load(y + i), Load(sums + t * n + i)));
  }
}

template <typename Q, bool kOwn>
void SumQuantTokens(SumTile tile, int64_t n_tokens, int64_t col_begin, int64_t col_end) {
  // Tokens can share the list's runs only where silent neurons do not part them.
  if (!SetsAscend<kOwn>(tile.list)) {
    return SumQuantByToken<Q, kOwn>(tile, n_tokens, col_begin, col_end);
  }
  for (int64_t t = 0; t < n_tokens; t += kTokensAtOnce) {
    for (int64_t c = col_begin; c < col_end; c += kPanelColumns) {
      SumQuantPanel<Q, kOwn>(tile, MinOf(kTokensAtOnce, n_tokens - t), c,
                             MinOf(c + kPanelColumns, col_end));
    }
    tile.h += kTokensAtOnce * tile.h_stride;
    tile.y += kTokensAtOnce * tile.y_stride;
  }
}

}  // namespace
}  // namespace thermocline
