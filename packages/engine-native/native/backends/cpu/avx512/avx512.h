// The kernels of this set, each documented in backends/kernels.h. Only addresses are taken
// outside the files compiled for it.
#pragma once

#include "backends/kernels.h"

namespace thermocline::avx512 {

void Matmul(const RowMatrix& w, RowSet rows, const Activations& x, float* y, int64_t y_stride);
// Q8_0 and Q4_0 with VNNI; other types as above, and the same bits.
void MatmulVnni(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                int64_t y_stride);
// BF16 rows with x.bf16 in pairs; all else as above, and the same bits.
void MatmulBf16(const RowMatrix& w, RowSet rows, const Activations& x, float* y, int64_t y_stride);
void AccumulateNeurons(const NeuronMatrix& w, NeuronList list, const float* h, float* y);
void AddNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y, int64_t y_stride);
// Quantised rows with VNNI; other types as above, and the same bits.
void AccumulateNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, float* y);
void AddNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                    int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                    int64_t y_stride);
void Quantize(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum, int32_t* first);
void RmsNorm(const float* x, const float* weight, int64_t n, float epsilon, float* out);
void LayerNorm(const float* x, const float* weight, const float* bias, int64_t n, float epsilon,
               float* out);
void Activate(ActivationFunction f, const float* gate, const float* up, int64_t n, float* h);
void Add(const float* x, int64_t n, float* y);
void Attend(const AttentionQueries& queries, KeyView keys, KvView values, float scale,
            float* scores, AttentionSum* sums);
void MergeAttention(const AttentionSum& next, int64_t head_dim, AttentionSum* sum);
void F32ToF16(const float* x, int64_t n, uint16_t* out);
void F32ToBf16(const float* x, int64_t n, uint16_t* out);
void SignScores(const uint64_t* rows, int64_t n, int64_t words, int64_t columns, const uint64_t* x,
                float* scores);
void WidenRow(const RowMatrix& w, int64_t row, float* out);

}  // namespace thermocline::avx512
