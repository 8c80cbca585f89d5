// One predictor of one layer, fitted to samples: the kinds side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/artifact_reader.h"
#include "train/gate_scores.h"
#include "train/samples.h"
#include "train/score_curve.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

struct FitOptions {
  LayerPredictor::Kind kind = LayerPredictor::Kind::kFactorised;  // not kNone
  int64_t rank = 0;                              // low-rank kinds; a multiple of 32
  PredictorType type = PredictorType::kQ8_0;     // of their matrices
  bool has_first = false;                        // whether `first` is there
  Gate first;                                    // all kinds but trained need it
  int epochs = 3;                                // trained
  uint64_t seed = 0;
  const std::atomic<bool>* cancel = nullptr;     // may be null
  // The share done, and the held-out loss of the last pass, NaN where there is none.
  std::function<void(double fraction, double loss)> progress;
};

struct PredictorFit {
  // Scores less thresholds are comparable within the layer; one shift is still to be chosen.
  LayerPredictor predictor;
  std::vector<float> scales;             // gate: see GateScales; else empty
  std::vector<double> held_out_loss;     // trained: after each pass
  int best = -1;                         // which pass was kept; -1: what it started from
};

// norms [n_ff]: ‖down column‖. The same bits for any number of threads. kInvalidArgument for options
// that do not fit the samples or weights that are missing, kOutOfMemory, kAborted.
Result<PredictorFit> FitPredictor(const SampleReader& train, const SampleReader& held_out,
                                  std::span<const float> norms, const FitOptions& options,
                                  const Kernels& kernels, ThreadPool& pool);

// The curve of a predictor of any kind, in the precision that it runs in. `first` is needed for
// kind gate; `scales` [n_ff], if any, are what its scores are multiplied by.
Result<ScoreCurve> ScorePredictor(const SampleReader& samples, std::span<const float> norms,
                                  const LayerPredictor& predictor, const Gate* first,
                                  std::span<const float> scales, int64_t points,
                                  const Kernels& kernels, const Running& running,
                                  ThreadPool& pool);

}  // namespace thermocline
