// A tier computes the neurons it holds: hidden state in, one partial sum out. The
// caller submits to every tier first and then collects, so that a layer costs the
// slowest tier and not the sum. Weights stay behind a handle.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "tiers/accountant.h"
#include "tiers/load_list.h"
#include "util/status.h"

namespace thermocline {

// Where an array is and what it is made of. Host arrays of F32 are the common case.
enum class Device : uint8_t { kHost, kGpu };
struct TensorView {
  Device device = Device::kHost;
  DType type = DType::kF32;
  void* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // elements between rows

  float* f32(int64_t row = 0) const { return static_cast<float*>(data) + row * stride; }
};

// One block of neurons as the model file holds it. A dense FFN is one block; a
// mixture of experts is one per expert.
struct FfnBlockSource {
  const ModelFile* file = nullptr;
  const TensorInfo* gate = nullptr;  // [n_neurons][d_model]; null: not gated
  const TensorInfo* up = nullptr;    // [n_neurons][d_model]
  const TensorInfo* down = nullptr;  // [d_model][n_neurons], or as below
  const TensorInfo* gate_bias = nullptr;  // [n_neurons]; may be null, as may up_bias
  const TensorInfo* up_bias = nullptr;
  ActivationFunction activation = ActivationFunction::kSilu;
  int64_t n_neurons = 0;
  int64_t d_model = 0;
  // Rows of the tensors that belong to this block; 0 unless blocks share tensors.
  int64_t first_neuron = 0;
  // The file holds down as [n_neurons][d_model]: a row for each neuron, with its own scales.
  bool neuron_major = false;
  // Predictors choose neurons before any is computed: their gates, or ups where there are none, are
  // then read here and there, and not from front to back. A hint for where to put them.
  bool chosen_first = false;
};

using FfnHandle = uint32_t;

// Work for one part of one block. Everything pointed at stays as it is until Finish.
struct FfnWork {
  TensorView input;               // [n_tokens][d_model], after the norm
  Activations x;                  // the same on the host, quantised where the weights ask for it
  // What to compute. Neurons that are left out have h = 0.
  bool skip_zeros = false;        // leave out neurons whose activation is zero (ReLU family)
  // Leave out neurons with |act(first)| at or below this, first being the product with gate, or up
  // where there is none; [1] or [neurons of the part], by position; empty: leave out none.
  std::span<const float> threshold;
  // Of the part, by token, the positions that may fire, ascending; none: all may.
  std::span<const std::span<const uint32_t>> lists;
  std::span<float> h;             // [n_tokens][neurons of the part]; empty: not wanted

  bool listed() const { return !lists.empty(); }
  template <typename Position>
  float ThresholdAt(Position p) const {
    return threshold[threshold.size() == 1 ? 0 : static_cast<size_t>(p)];
  }
};

struct FfnOutcome {
  uint64_t bytes_read = 0;
  std::vector<uint64_t> fired;    // [n_tokens] neurons with h != 0 (gated ReLU: gate > 0)
  // [n_tokens] neurons chosen to be computed: those listed, those above their threshold, or all.
  std::vector<uint64_t> computed;
};

class FfnTier {
 public:
  virtual ~FfnTier() = default;
  virtual Tier tier() const = 0;

  // Bytes that Load would reserve for a part of n_neurons.
  virtual uint64_t PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const = 0;
  // Makes room for a part of the block: these neurons of it, each at most once. The list is also
  // the order of addition: the bits of the sum follow from it, wherever the tier keeps them.
  // What is to be read goes on `reads`; the part is whole when that has run, and must stay until
  // then. kOutOfMemory before anything is allocated.
  virtual Result<FfnHandle> Load(const FfnBlockSource& source, std::span<const uint32_t> neurons,
                                 LoadList& reads) = 0;
  virtual void Unload(FfnHandle handle) = 0;

  // Starts the work; returns without waiting where the tier can.
  virtual Status Submit(FfnHandle handle, const FfnWork& work) = 0;
  // Waits for it and adds the partial sum to y, [n_tokens][d_model].
  virtual Status Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) = 0;
};

}  // namespace thermocline
