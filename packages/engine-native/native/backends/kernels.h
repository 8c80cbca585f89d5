// The arithmetic the engine is made of, once per instruction set. The scalar
// reference defines the meaning; every other set passes backend_suite.h against it.
//
// Bits. Every output value depends only on its own inputs, through one fixed
// sequence of operations per instruction set: a dot product gives the same bits
// whether its row is computed alone, in a block of rows, in a list of rows, or
// together with other tokens. That is what makes thread counts, batches and modes
// agree bit for bit, so no kernel may choose its order by how much it was given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "util/dtype.h"

namespace thermocline {

// Rows that a dot product reads: attention matrices, gate, up, the output head.
// F32, F16, BF16: plain rows. Quantised types: panels (decision 0016). A row is cut into
// blocks of 32 elements and panels of 16 blocks, 512 columns; the last panel has the n < 16
// blocks that are left when cols/32 is no multiple of 16. A panel of n blocks is contiguous:
// first the n F16 scales, then vectors of n lanes of four bytes, lane b from block b.
// Q8_0: eight vectors; vector v holds the elements 4v to 4v+3 of each block.
// Q4_0: four vectors; vector v holds the bytes 4v to 4v+3 of the 16 that files keep per block
// (byte i: element i low, element i+16 high, both offset by 8).
// Q4_K, Q5_K, Q6_K: a superblock of 256 is eight lanes, so a panel is two of them, or one. First F16 d
// of each, and but for Q6_K F16 dmin of each; then two vectors of bytes by lane, the block's scale and
// minimum, Q6_K: the int8 scales of its halves; then four vectors of nibbles as of Q4_0, without an
// offset; then the higher bits. Q5_K: one vector, bit v of byte k for element 4v+k. Q6_K: one vector
// for each half of the block, bits 2v and 2v+1 of byte k for element 4v+k of it.
// So a vector register has one block per 32-bit lane, scales stand as the sums do, and a row
// has the bytes it has in the file; of Q4_K and Q5_K four more for each superblock.
struct RowMatrix {
  const std::byte* data = nullptr;
  DType type = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;       // a multiple of 32 for quantised types
  int64_t row_bytes = 0;
  int64_t stride = 0;     // bytes from row to row: row_bytes, or more where others lie between
};

// The down matrix, one row of d_model values per neuron, so that a neuron that does not fire is
// not read. F32, F16, BF16: plain rows. Quantised, there are two kinds (neuron_layout.h makes both):
//
// Shared scales (group_bytes != 0). 32 neurons form a group that shares one scale per column, as
// files in the usual layout have it: [32 rows of quants][cols F16 scales].
// Own scales (group_bytes == 0). A row is its quants, then cols/32 F16 scales of 32 columns each.
//
// K-quants have shared scales: 256 neurons are a superblock (super_bytes), [8 groups][cols F16 d]
// and of Q4_K and Q5_K [cols F16 dmin]. A group is [32 rows of quants][cols bytes][cols bytes]: scales
// and minima of the group, Q6_K: int8 scales of its first and its last 16 neurons, which are the sets
// there. A row is nibbles as of Q4_0, without an offset, then the higher bits of Q5_K and Q6_K, 128
// columns (or where fewer are left 32) together: lane after lane, from the lowest bit on one or two
// bits for each s, of the columns that the lane's nibbles have.
//
// Quants of a row are chunks of 64 bytes, 128 columns of Q4_0 or 64 of Q8_0, and after them units of
// 16 bytes, 32 or 16 columns, for the rest. Kernels take two rows word by word, so the words of a
// chunk are arranged to give vectors of neighbouring columns: word 8 L + 4 half + p of a chunk, with
// L and p below 4, holds the columns 4 L + p + 16 s, for Q4_0 in nibbles from the lowest with
// s = 4 half + 0 .. 3, offset by 8, and for Q8_0 in its bytes with s = 2 half + 0, 1. Word
// 4 half + p of a unit holds for Q4_0 the columns 8 half + p + {0, 16, 4, 20}, for Q8_0 the columns
// 8 half + p + {0, 4}.
struct NeuronMatrix {
  const std::byte* data = nullptr;
  DType type = DType::kF32;
  int64_t rows = 0;         // neurons; a multiple of 32 with shared scales
  int64_t cols = 0;         // d_model; a multiple of 32 for quantised types
  int64_t row_bytes = 0;
  int64_t stride = 0;       // bytes from row to row, in a group row_bytes; see RowMatrix
  int64_t group_bytes = 0;  // distance between groups of 32; 0: no scales are shared
  int64_t super_bytes = 0;  // distance between superblocks of 256; K-quants only
};

// Columns of a NeuronMatrix are computed in multiples of this, but for the last of them.
constexpr int64_t kNeuronColumns = 128;

// Quantised rows are added up in integers, set by set: rows [s * n, (s + 1) * n), n being as below.
constexpr int64_t kSharedScaleSet = 32;
constexpr int64_t kOwnScaleSet = 128;

// Which rows of a RowMatrix: a list, or when list is null the range
// [begin, begin + count).
struct RowSet {
  const uint32_t* list = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
};

// Inputs of a dot product: F32, and for quantised weights also 8-bit blocks of 32, arranged
// as Q8_0 rows are without their scales: per token and panel of n blocks eight vectors of n
// lanes of four bytes, vector v holding the elements 4v to 4v+3 of each block. They may lie
// anywhere, and are loaded faster from the start of a cache line (util/aligned_vector.h).
struct Activations {
  const float* x = nullptr;  // [n_tokens][x_stride]
  int64_t x_stride = 0;
  int64_t n_tokens = 0;
  int64_t cols = 0;
  const int8_t* q = nullptr;       // [n_tokens][cols], in [-127, 127]
  const float* q_scale = nullptr;  // [n_tokens][cols/32]
  const int32_t* q_sum = nullptr;  // [n_tokens][cols/32], sum of the block's q
  const int32_t* q_first = nullptr;  // [n_tokens][cols/32], sum of its first 16

  // x rounded to BF16: asks for products with BF16 rows in pairs. Only for sets that have f32_to_bf16.
  const uint16_t* bf16 = nullptr;  // [n_tokens][cols]

  // The tokens [begin, begin + n) of these.
  Activations Tokens(int64_t begin, int64_t n) const {
    Activations part = *this;
    part.x += begin * x_stride;
    part.n_tokens = n;
    if (q != nullptr) {
      part.q += begin * cols;
      part.q_scale += begin * (cols / 32);
      part.q_sum += begin * (cols / 32);
      part.q_first += begin * (cols / 32);
    }
    if (bf16 != nullptr) part.bf16 += begin * cols;
    return part;
  }
};

// Neurons to add up: row in the NeuronMatrix and position in h, pairwise.
struct NeuronList {
  const uint32_t* rows = nullptr;
  const uint32_t* positions = nullptr;
  int64_t count = 0;
};

enum class ActivationFunction : uint8_t {
  kRelu,
  kSilu,
  kGelu,
  kGeluTanh,
  kReluSquared,
  kDoubleRelu,  // relu of the gate times relu of up
};

// Whether zeros are common enough to skip: the ReLU family.
constexpr bool HasExactZeros(ActivationFunction activation) {
  return activation == ActivationFunction::kRelu ||
         activation == ActivationFunction::kReluSquared ||
         activation == ActivationFunction::kDoubleRelu;
}

constexpr int64_t kKeyBlock = 16;         // positions whose keys are stored together
constexpr int64_t kAttentionPiece = 256;  // positions that are attended to at a time; of kKeyBlock
constexpr int64_t kAttentionRows = 12;    // queries that attend at a time, at most

// Cached keys of one head, in blocks of kKeyBlock positions that lie column by column:
// [n / kKeyBlock, rounded up][head_dim][kKeyBlock]. A vector of one column of several positions
// is then contiguous.
struct KeyView {
  const std::byte* data = nullptr;
  DType type = DType::kF16;  // kF16 or kF32
  int64_t n = 0;             // positions
  int64_t head_dim = 0;
};

// Cached values of one head: [n][head_dim].
struct KvView {
  const std::byte* data = nullptr;
  DType type = DType::kF16;  // kF16 or kF32
  int64_t stride = 0;        // bytes between positions
  int64_t n = 0;             // positions
  int64_t head_dim = 0;
};

// Queries that attend to one piece of one head's positions.
struct AttentionQueries {
  const float* const* q = nullptr;  // [count] of [head_dim]
  const int64_t* n = nullptr;       // [count]: how many of the positions each one sees, from 1 on
  int64_t count = 0;                // up to kAttentionRows
};

// A softmax and what it weighs, not yet divided by the softmax's total: pieces can be merged.
struct AttentionSum {
  float max = 0;           // of the scores
  float total = 0;         // sum of e^(score - max)
  float* mixed = nullptr;  // [head_dim]: sum of e^(score - max) times values
};

struct Kernels {
  const char* name;  // "scalar", "avx2", "avx512", "avx512-vnni", "avx512-bf16", "neon"

  // y[t * y_stride + r] = dot(W[r], x[t]) for every r in rows and every token.
  // Quantised W: integer dots per block of 32; one F32 sum per lane takes, panel after panel,
  // fma(dot, weight scale * input scale, sum); the 16 sums are added as (i + (i+8)), then
  // (i + (i+4)), then (0 + 2) + (1 + 3). Of Q4_K and Q5_K the weight scale is d times the byte, and
  // a second fma takes -dmin times the byte and the sum of the inputs times their scale. Of Q6_K the
  // dot is that of both halves times their bytes, exact, and the scale d. The same bits in every set.
  // BF16 W with x.bf16: that times W, subnormal numbers being zero; it is off by up to 2^-8 of Σ |W x|.
  void (*matmul)(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                 int64_t y_stride);

  // One token: y[c] = y[c] + Σ h[positions[i]] * W[rows[i]][c] for c in [0, cols), in list order.
  // A list with or without entries whose h is 0 gives the same bits; they are read all the same
  // where they stand, which is what dense computing is. Weights are taken to be finite.
  // Plain W: each entry is one fma. Quantised W: of the entries with h != 0, consecutive ones of one
  // set, all distinct, are summed first, in integers and so exactly: factors f, which are h, or
  // h * scale where neurons have their own, become F = round-half-even(f / s) in 16 bits, at most
  // 32767, s being 2^-14 times the power of two that the set's largest |f| (own scales: of these 32
  // columns) is in, at least 2^-126. The sum of F times quant is made a float and added by one
  // fma, times s, or with shared scales times s * scale. Of K-quants scale is d times the byte; Q4_K and Q5_K then take
  // another fma, of -dmin times the byte and the sum of F times s. So sets have the same bits on all sets of
  // kernels. Anything not finite among the factors gives NaN.
  void (*accumulate_neurons)(const NeuronMatrix& w, NeuronList list, const float* h, float* y);

  // Several tokens, columns [col_begin, col_end), multiples of kNeuronColumns or the end: per token
  // the same sum as accumulate_neurons started from zero, then added once to y[t * y_stride + c].
  void (*add_neurons)(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                      int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                      int64_t y_stride);

  // One row of Activations, n % 32 == 0. Blocks of 32: scale = max|x| / 127,
  // q = round-half-even(x / scale), sum = Σ q, first = Σ of the first 16. The same bits in every
  // set. All zero: scale 0 and q 0. A block with a value that is not finite: scale NaN and q 0,
  // so that the fault shows in every product.
  void (*quantize)(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum,
                   int32_t* first);

  // out = x / sqrt(mean(x²) + epsilon) * weight.
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float epsilon, float* out);
  // out = (x - mean) / sqrt(var + epsilon) * weight + bias.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, int64_t n,
                     float epsilon, float* out);

  // h[i] = act(gate[i]) * up[i], double ReLU: relu(gate[i]) * relu(up[i]); with up null:
  // act(gate[i]), double ReLU: relu(gate[i]). In place allowed.
  void (*activate)(ActivationFunction f, const float* gate, const float* up, int64_t n, float* h);
  // y += x.
  void (*add)(const float* x, int64_t n, float* y);

  // sums[i] = softmax over scale * dot(q[i], keys) and the values it weighs, for the first n[i]
  // positions, at most kAttentionPiece. `scores` is working memory, [kAttentionRows][piece].
  void (*attend)(const AttentionQueries& queries, KeyView keys, KvView values, float scale,
                 float* scores, AttentionSum* sums);
  // Joins the sums of two pieces, the later into the earlier.
  void (*merge_attention)(const AttentionSum& next, int64_t head_dim, AttentionSum* sum);

  void (*f32_to_f16)(const float* x, int64_t n, uint16_t* out);  // round to nearest even
  // scores[i] = columns whose signs agree in x and row i, less those that differ. Rows and x are
  // [words] of one bit per column, set for negative, with bits from `columns` on zero.
  void (*sign_scores)(const uint64_t* rows, int64_t n, int64_t words, int64_t columns,
                      const uint64_t* x, float* scores);
  // Dequantises or widens one row of a RowMatrix (token embeddings).
  void (*widen_row)(const RowMatrix& w, int64_t row, float* out);
  // Makes Activations::bf16: rounds to nearest even, and subnormal numbers to zero. Null in sets
  // that multiply BF16 rows with F32 inputs only.
  void (*f32_to_bf16)(const float* x, int64_t n, uint16_t* out) = nullptr;
};

// The scalar reference; always there.
const Kernels& ReferenceKernels();

// The best set that this processor supports ("auto"), or the one named; null when it is unknown, not
// compiled in, or not supported here.
const Kernels* SelectKernels(const char* name);

// Every set this binary was compiled with and whether this processor runs it, best first.
struct KernelChoice {
  const char* name;
  bool supported;
  const char* needs;    // CPU features, for people
  const char* trade;    // what it gives up for speed, so that "auto" never takes it; null: nothing
};
struct KernelChoices {
  const KernelChoice* data;
  int64_t count;
};
KernelChoices ListKernels();

}  // namespace thermocline
