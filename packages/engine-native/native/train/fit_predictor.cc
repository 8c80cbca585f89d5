#include "train/fit_predictor.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "sparsity/predictor.h"
#include "train/factorise.h"
#include "train/input_moments.h"
#include "train/mlp_start.h"
#include "train/neuron_thresholds.h"
#include "train/quantise.h"
#include "train/score_scales.h"
#include "train/sign_rows.h"
#include "train/train_mlp.h"

namespace thermocline {
namespace {

using Kind = LayerPredictor::Kind;

constexpr int64_t kRankStep = 32;
constexpr int64_t kGateRows = 4096;   // samples that scales of gates are measured on
constexpr int64_t kScaleRows = 4096;  // and those of scores before training
constexpr int64_t kThresholdRows = 16384;
// A prediction costs what this share of an average firing is worth. Measured on the demo model, from
// 0.04 to 0.2 the curve of recall against over-prediction hardly moves.
constexpr double kPrice = 0.08;
// A score of 1.7 is one standard error, as StartFromFactorisation has it; see ExpectedValue.
constexpr double kSureness = 1.7;
constexpr double kSlope = 1.9;
constexpr double kLevel = -0.58;
constexpr double kLeastWorth = 1e-6;  // of the price
constexpr double kStartShare = 0.1;  // of the time training takes, about

// Rows that a covariance of this width settles with.
int64_t MomentRows(int64_t d_model) { return std::max<int64_t>(16384, 8 * d_model); }

Status InvalidArgument(const std::string& reason) {
  return Status(StatusCode::kInvalidArgument, reason);
}

Status CheckNorms(std::span<const float> norms, int64_t n_ff) {
  if (norms.size() != static_cast<size_t>(n_ff)) {
    return InvalidArgument("norms must have " + std::to_string(n_ff) + " numbers");
  }
  const auto fits = [](float norm) { return std::isfinite(norm) && norm >= 0; };
  if (std::all_of(norms.begin(), norms.end(), fits)) return Status::Ok();
  return InvalidArgument("norms must be finite and not below 0");
}

Status CheckOptions(const SampleReader& train, const SampleReader& held_out,
                    std::span<const float> norms, const FitOptions& options) {
  if (held_out.d_model() != train.d_model() || held_out.n_ff() != train.n_ff() ||
      held_out.layer() != train.layer() || held_out.fingerprint() != train.fingerprint()) {
    return InvalidArgument("the held-out samples are of another layer or model");
  }
  RETURN_IF_ERROR(CheckNorms(norms, train.n_ff()));
  const bool low_rank = options.kind == Kind::kTrained || options.kind == Kind::kFactorised;
  const int64_t widest = std::max(train.n_ff(), train.d_model());
  if (low_rank && (options.rank < kRankStep || options.rank % kRankStep != 0 ||
                   options.rank > widest)) {
    return InvalidArgument("rank must be a multiple of 32 from 32 to the layer's width");
  }
  if (options.has_first) return CheckGate(options.first, train.n_ff(), train.d_model());
  if (options.kind != Kind::kTrained) {
    return InvalidArgument(
        "a predictor that is not trained is made from the layer's weights, which this source does "
        "not show; use kind trained");
  }
  return Status::Ok();
}

Running RunningOf(const FitOptions& options) {
  Running running{options.cancel, nullptr};
  if (options.progress) {
    running.progress = [&options](double fraction) { options.progress(fraction, std::nan("")); };
  }
  return running;
}

Result<InputMoments> Moments(const SampleReader& train, const Running& running,
                             const Kernels& kernels, ThreadPool& pool) {
  return MeasureInputs(train, MomentRows(train.d_model()), kernels, running, pool);
}

// Matrices in the type they are kept in, and thresholds: what training or factorising gave, rounded.
Result<LayerPredictor> ToPredictor(MlpWeights weights, const FitOptions& options,
                                   ThreadPool& pool) {
  BalanceUnits(&weights);
  LayerPredictor predictor;
  predictor.kind = options.kind;
  ASSIGN_OR_RETURN(predictor.down,
                   Quantise(options.type, weights.down.data(), weights.rank, weights.d_model, pool));
  ASSIGN_OR_RETURN(predictor.up,
                   Quantise(options.type, weights.up.data(), weights.n_ff, weights.rank, pool));
  for (const float bias : weights.bias) predictor.threshold.push_back(-bias);
  return predictor;
}

// Added to a score in units of how sure it is that a neuron fires, so that it says how much is
// expected of the neuron: log(E[value | x] / price). With a normal error of deviation σ around a
// score of z σ, E[value] = κ σ ψ(z), κ being the value of a unit of ReLU(W x + b) and
// ψ(z) = z Φ(z) + φ(z); log ψ is close to kSlope z + kLevel about where thresholds come to lie. The
// sure score has 1.7 z in place of kSlope z, so everything is that much smaller.
Result<std::vector<float>> ExpectedValue(const SampleReader& train, std::span<const float> norms,
                                         const Gate& first, const Factorisation& factorisation,
                                         double price, const Running& running,
                                         const Kernels& kernels, ThreadPool& pool) {
  Gate gate = first;
  gate.activation = ActivationFunction::kRelu;
  ASSIGN_OR_RETURN(const GateSums sums,
                   MeasureGateSums(gate, train, norms, kGateRows, kernels, running, pool));
  const std::vector<float> worth = GateScales(sums);
  const std::vector<double> errors = FactorisationErrors(factorisation);
  std::vector<float> offsets;
  for (size_t n = 0; n < worth.size(); ++n) {
    const double unit = static_cast<double>(worth[n]) * errors[n] / price;
    const double level = std::log(std::max(unit, kLeastWorth)) + kLevel;
    offsets.push_back(static_cast<float>(level * kSureness / kSlope));
  }
  return offsets;
}

// What a prediction costs, as value: a share of what an average firing is worth.
Result<double> PriceOf(const SampleReader& samples, std::span<const float> norms) {
  double sum = 0;
  for (int64_t row = 0; row < samples.rows(); ++row) {
    samples.ForEachFiring(row, [&](size_t n, float h) {
      sum += static_cast<double>(h) * static_cast<double>(norms[n]);
    });
  }
  if (sum > 0) return kPrice * sum / static_cast<double>(samples.firing());
  return InvalidArgument("nothing that matters fires in the samples: there is nothing to fit to");
}

// Counts of signs, each less what it has to be for its neuron to be worth predicting.
Result<LayerPredictor> FitSigns(const SampleReader& train, std::span<const float> norms,
                                const FitOptions& options, const Running& running,
                                const Kernels& kernels, ThreadPool& pool) {
  LayerPredictor predictor;
  predictor.kind = Kind::kSigns;
  predictor.signs = PackSigns(options.first.weights.data(), train.n_ff(), train.d_model(), pool);
  predictor.threshold = {0.0F};
  ASSIGN_OR_RETURN(const double price, PriceOf(train, norms));
  ASSIGN_OR_RETURN(Predictor signs, Predictor::Create(predictor, train.d_model(), train.n_ff()));
  const Scorer scorer = [&](const float* x, int64_t n, float* scores) {
    signs.Score(x, n, kernels, pool, scores);
  };
  ASSIGN_OR_RETURN(predictor.threshold, BestThresholds(train, norms, scorer, price, kThresholdRows,
                                                       running, pool));
  return predictor;
}

// C + μ μᵀ: squares about zero.
void AddMeans(InputMoments* inputs, ThreadPool& pool) {
  const size_t d = inputs->mean.size();
  auto add = [&](int64_t row, int) {
    const float mean = inputs->mean[static_cast<size_t>(row)];
    for (size_t c = 0; c < d; ++c) {
      inputs->covariance[static_cast<size_t>(row) * d + c] += mean * inputs->mean[c];
    }
  };
  pool.ParallelFor(static_cast<int64_t>(d), add);
}

// Inputs are taken about zero and not about their mean, which costs next to nothing and leaves
// thresholds that hold for the first terms alone: a narrower predictor can be cut from this one.
Result<LayerPredictor> FitFactorised(const SampleReader& train, std::span<const float> norms,
                                     const FitOptions& options, const Kernels& kernels,
                                     ThreadPool& pool) {
  const Gate& first = options.first;
  const Running running = RunningOf(options);
  ASSIGN_OR_RETURN(const double price, PriceOf(train, norms));
  ASSIGN_OR_RETURN(InputMoments inputs, Moments(train, running.Part(0, 0.4), kernels, pool));
  AddMeans(&inputs, pool);
  ASSIGN_OR_RETURN(const Factorisation f,
                   Factorise(first.weights, inputs.covariance, train.n_ff(), train.d_model(),
                             options.rank, kernels, running.Part(0.4, 0.9), pool));
  ASSIGN_OR_RETURN(std::vector<float> scores_at_zero,
                   ExpectedValue(train, norms, first, f, price, running.Part(0.9, 1), kernels,
                                 pool));
  MlpWeights weights{train.d_model(), f.rank, train.n_ff(), f.down, f.up,
                     std::move(scores_at_zero)};
  const std::vector<double> errors = FactorisationErrors(f);
  for (size_t n = 0; n < errors.size(); ++n) {
    const auto scale = static_cast<float>(kSureness / errors[n]);
    const std::span<float> row(weights.up.data() + n * static_cast<size_t>(f.rank),
                               static_cast<size_t>(f.rank));
    for (float& value : row) value *= scale;
    if (!first.bias.empty()) weights.bias[n] += first.bias[n] * scale;
  }
  return ToPredictor(weights, options, pool);
}

// Near log(E[value | x] / price), as far as the first matrix tells; random where there is none.
Result<MlpWeights> StartOf(const SampleReader& train, std::span<const float> norms,
                           const FitOptions& options, const LossShape& loss,
                           const Running& running, const Kernels& kernels, ThreadPool& pool) {
  const Gate& first = options.first;
  ASSIGN_OR_RETURN(const InputMoments inputs, Moments(train, running.Part(0, 0.4), kernels, pool));
  MlpWeights weights = RandomStart(inputs, options.rank, train.n_ff(), options.seed);
  if (options.has_first) {
    ASSIGN_OR_RETURN(const Factorisation f,
                     Factorise(first.weights, inputs.covariance, train.n_ff(), train.d_model(),
                               options.rank, kernels, running.Part(0.4, 0.8), pool));
    weights = StartFromFactorisation(f, inputs, first.weights, first.bias, true);
  }
  RETURN_IF_ERROR(FitScoreScales(train, norms, loss, true, kScaleRows, kernels,
                                 running.Part(0.8, 1), pool, &weights));
  return weights;
}

Result<PredictorFit> FitTrained(const SampleReader& train, const SampleReader& held_out,
                                std::span<const float> norms, const FitOptions& options,
                                const Kernels& kernels, ThreadPool& pool) {
  ASSIGN_OR_RETURN(const double price, PriceOf(train, norms));
  MlpOptions how;
  how.loss.price = static_cast<float>(price);
  ASSIGN_OR_RETURN(MlpWeights start, StartOf(train, norms, options, how.loss,
                                             RunningOf(options).Part(0, kStartShare), kernels, pool));
  how.epochs = options.epochs;
  how.seed = options.seed;
  how.cancel = options.cancel;
  if (options.progress) {
    how.progress = [&](double fraction, double loss) {
      options.progress(kStartShare + (1 - kStartShare) * fraction, loss);
    };
  }
  ASSIGN_OR_RETURN(const MlpFit trained,
                   TrainMlp(train, held_out, norms, std::move(start), how, kernels, pool));
  PredictorFit fit;
  ASSIGN_OR_RETURN(fit.predictor, ToPredictor(trained.weights, options, pool));
  for (const MlpPass& pass : trained.passes) fit.held_out_loss.push_back(pass.held_out_loss);
  fit.best = trained.best;
  return fit;
}

}  // namespace

Result<PredictorFit> FitPredictor(const SampleReader& train, const SampleReader& held_out,
                                  std::span<const float> norms, const FitOptions& options,
                                  const Kernels& kernels, ThreadPool& pool) {
  RETURN_IF_ERROR(CheckOptions(train, held_out, norms, options));
  const Running running = RunningOf(options);
  PredictorFit fit;
  fit.predictor.kind = options.kind;
  fit.predictor.threshold = {0.0F};
  switch (options.kind) {
    case Kind::kFactorised: {
      ASSIGN_OR_RETURN(fit.predictor, FitFactorised(train, norms, options, kernels, pool));
      break;
    }
    case Kind::kSigns: {
      ASSIGN_OR_RETURN(fit.predictor, FitSigns(train, norms, options, running, kernels, pool));
      break;
    }
    case Kind::kGate: {
      ASSIGN_OR_RETURN(const GateSums sums, MeasureGateSums(options.first, train, norms, kGateRows,
                                                            kernels, running, pool));
      fit.scales = GateScales(sums);
      break;
    }
    case Kind::kTrained: {
      ASSIGN_OR_RETURN(fit, FitTrained(train, held_out, norms, options, kernels, pool));
      break;
    }
    case Kind::kNone: return InvalidArgument("kind none has nothing to fit");
  }
  RETURN_IF_ERROR(running.Report(1));
  return fit;
}

Result<ScoreCurve> ScorePredictor(const SampleReader& samples, std::span<const float> norms,
                                  const LayerPredictor& predictor, const Gate* first,
                                  std::span<const float> scales, int64_t points,
                                  const Kernels& kernels, const Running& running,
                                  ThreadPool& pool) {
  const int64_t n_ff = samples.n_ff(), d = samples.d_model();
  RETURN_IF_ERROR(CheckNorms(norms, n_ff));
  if (!scales.empty() && scales.size() != static_cast<size_t>(n_ff)) {
    return InvalidArgument("scales must have " + std::to_string(n_ff) + " numbers");
  }
  Scorer scorer;
  std::optional<Predictor> low_rank;
  if (predictor.kind == Kind::kNone) {
    return InvalidArgument("a layer without a predictor has no scores");
  }
  if (predictor.kind == Kind::kGate) {
    if (first == nullptr) return InvalidArgument("kind gate is scored with the layer's weights");
    RETURN_IF_ERROR(CheckGate(*first, n_ff, d));
    scorer = [&](const float* x, int64_t n, float* scores) {
      ScoreGate(*first, x, n, n_ff, d, kernels, pool, scores);
    };
  } else {
    ASSIGN_OR_RETURN(low_rank, Predictor::Create(predictor, d, n_ff));
    scorer = [&](const float* x, int64_t n, float* scores) {
      low_rank->Score(x, n, kernels, pool, scores);
    };
  }
  if (scales.empty()) {
    return MeasureScoreCurve(samples, norms, predictor.threshold, scorer, points, running, pool);
  }
  const Scorer scaled = [&](const float* x, int64_t n, float* scores) {
    scorer(x, n, scores);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n_ff; ++j) scores[i * n_ff + j] *= scales[static_cast<size_t>(j)];
    }
  };
  return MeasureScoreCurve(samples, norms, predictor.threshold, scaled, points, running, pool);
}

}  // namespace thermocline
