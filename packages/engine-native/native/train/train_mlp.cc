#include "train/train_mlp.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "train/adam.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

Status Invalid(std::string message) {
  return Status(StatusCode::kInvalidArgument, std::move(message));
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

double RootMeanSquare(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

Status CheckOptions(const MlpOptions& o) {
  if (o.epochs < 1 || o.epochs > 10000) return Invalid("epochs must be from 1 to 10,000");
  if (o.patience < 1) return Invalid("patience must be at least 1");
  if (o.batch < 1 || o.batch > 65536) return Invalid("batch must be from 1 to 65,536 tokens");
  if (o.warm_up_steps < 0) return Invalid("warm_up_steps must not be negative");
  const auto positive = [](double v) { return std::isfinite(v) && v > 0; };
  if (!(o.learning_rate == 0 || positive(o.learning_rate)) || !positive(o.bias_rate)) {
    return Invalid("learning rates must be positive numbers");
  }
  const auto price = static_cast<double>(o.loss.price);
  if (!positive(price) || !positive(1 / price) || !positive(static_cast<double>(o.loss.most))) {
    return Invalid("the price of a prediction and the cap on weights must be positive numbers");
  }
  return Status::Ok();
}

Status CheckShapes(const SampleReader& train, const SampleReader& held_out,
                   std::span<const float> value_norm, const MlpWeights& w) {
  if (train.rows() < 1 || held_out.rows() < 1) {
    return Invalid("training needs samples, and held-out samples to judge it by");
  }
  for (const SampleReader* samples : {&train, &held_out}) {
    if (samples->d_model() != w.d_model || samples->n_ff() != w.n_ff) {
      return Invalid("the samples are of another shape than the predictor: [" +
                     std::to_string(samples->d_model()) + ", " + std::to_string(samples->n_ff()) +
                     "], not [" + std::to_string(w.d_model) + ", " + std::to_string(w.n_ff) + "]");
    }
  }
  if (w.rank < 1 || w.down.size() != static_cast<size_t>(w.rank * w.d_model) ||
      w.up.size() != static_cast<size_t>(w.n_ff * w.rank) ||
      w.bias.size() != static_cast<size_t>(w.n_ff) || value_norm.size() != w.bias.size()) {
    return Invalid("the starting weights or the norms do not have their shapes");
  }
  if (!AllFinite(w.down) || !AllFinite(w.up) || !AllFinite(w.bias) || !AllFinite(value_norm)) {
    return Invalid("the starting weights or the norms are not all finite");
  }
  if (RootMeanSquare(w.down) == 0 || RootMeanSquare(w.up) == 0) {
    return Invalid("a predictor whose weights are all zero learns nothing; start it elsewhere");
  }
  if (std::any_of(value_norm.begin(), value_norm.end(), [](float v) { return v < 0; })) {
    return Invalid("the norms must not be negative");
  }
  return Status::Ok();
}

// Samples of a batch, expanded.
struct Batch {
  std::vector<float> x;  // [tokens][d_model]
  std::vector<float> h;  // [tokens][n_ff]

  void Read(const SampleReader& samples, std::span<const uint32_t> rows, ThreadPool& pool) {
    samples.Expand(rows, x.data(), h.data(), pool);
  }
};

class Trainer {
 public:
  Trainer(const SampleReader& train, const SampleReader& held_out,
          std::span<const float> value_norm, MlpWeights start, const MlpOptions& options,
          const Kernels& kernels, ThreadPool& pool)
      : train_(train),
        held_out_(held_out),
        options_(options),
        pool_(pool),
        batch_(std::min(options.batch, train.rows())),
        steps_per_pass_(train.rows() / batch_),
        all_steps_(options.epochs * steps_per_pass_),
        step_({start.d_model, start.rank, start.n_ff, options.relu}, options.loss, value_norm,
              batch_, kernels, pool),
        down_(start.down, Rate() * RootMeanSquare(start.down)),
        up_(start.up, Rate() * RootMeanSquare(start.up)),
        bias_(start.bias, options.bias_rate),
        order_(static_cast<size_t>(train.rows())),
        random_(options.seed) {
    std::iota(order_.begin(), order_.end(), 0U);
    buffers_.x.resize(static_cast<size_t>(batch_ * start.d_model));
    buffers_.h.resize(static_cast<size_t>(batch_ * start.n_ff));
    fit_.weights = std::move(start);
  }

  Result<MlpFit> Run() {
    ASSIGN_OR_RETURN(fit_.start_loss, HeldOutLoss());
    double lowest = fit_.start_loss;
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      MlpPass pass;
      ASSIGN_OR_RETURN(pass.train_loss, Pass());
      ASSIGN_OR_RETURN(pass.held_out_loss, HeldOutLoss());
      fit_.passes.push_back(pass);
      loss_ = pass.held_out_loss;
      if (pass.held_out_loss < lowest) {
        lowest = pass.held_out_loss;
        fit_.best = epoch;
        fit_.weights.down = down_.values();
        fit_.weights.up = up_.values();
        fit_.weights.bias = bias_.values();
      }
      if (epoch - fit_.best >= options_.patience) break;
    }
    if (options_.progress) options_.progress(1, loss_);
    return std::move(fit_);
  }

 private:
  // One pass over the samples in a new order; what does not fill a batch waits for the next.
  Result<double> Pass() {
    Shuffle();
    double sum = 0;
    for (int64_t i = 0; i < steps_per_pass_; ++i) {
      RETURN_IF_ERROR(Asked());
      const std::span rows(order_.data() + i * batch_, static_cast<size_t>(batch_));
      buffers_.Read(train_, rows, pool_);
      const double loss =
          step_.LossAndSlopes(Weights(), buffers_.x.data(), buffers_.h.data(), batch_);
      RETURN_IF_ERROR(CheckLoss(loss));
      sum += loss;
      const double speed = Speed(fit_.steps++);
      down_.Step(step_.down_slopes(), speed, pool_);
      up_.Step(step_.up_slopes(), speed, pool_);
      bias_.Step(step_.bias_slopes(), speed, pool_);
    }
    return sum / static_cast<double>(steps_per_pass_ * batch_);
  }

  Result<double> HeldOutLoss() {
    std::vector<uint32_t> rows(static_cast<size_t>(batch_));
    double sum = 0;
    for (int64_t begin = 0; begin < held_out_.rows(); begin += batch_) {
      RETURN_IF_ERROR(Asked());
      const int64_t n = std::min(batch_, held_out_.rows() - begin);
      std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(begin));
      buffers_.Read(held_out_, {rows.data(), static_cast<size_t>(n)}, pool_);
      sum += step_.Loss(Weights(), buffers_.x.data(), buffers_.h.data(), n);
    }
    RETURN_IF_ERROR(CheckLoss(sum));
    return sum / static_cast<double>(held_out_.rows());
  }

  double Rate() const {
    if (options_.learning_rate != 0) return options_.learning_rate;
    return all_steps_ < 1024 ? 3e-3 : 2e-3;
  }

  // Up to full speed, then down to 0 at the last step.
  double Speed(int64_t done) const {
    const double share = static_cast<double>(done) / static_cast<double>(all_steps_);
    const double warm_up =
        options_.warm_up_steps == 0
            ? 1
            : static_cast<double>(done + 1) / static_cast<double>(options_.warm_up_steps);
    return std::min(1.0, warm_up) * (1 - share);
  }

  // Fisher and Yates by our own hand: std::shuffle draws differently in every library.
  void Shuffle() {
    for (size_t i = order_.size() - 1; i > 0; --i) {
      std::swap(order_[i], order_[random_() % (i + 1)]);
    }
  }

  Status Asked() {
    if (options_.cancel != nullptr && *options_.cancel) {
      return Status(StatusCode::kAborted, "the call was aborted");
    }
    if (options_.progress) {
      options_.progress(static_cast<double>(fit_.steps) / static_cast<double>(all_steps_), loss_);
    }
    return Status::Ok();
  }

  Status CheckLoss(double loss) const {
    if (std::isfinite(loss)) return Status::Ok();
    return Invalid("the loss of a predictor is no longer a finite number after " +
                   std::to_string(fit_.steps) +
                   " steps; a lower learning rate may help, if the samples are sound");
  }

  MlpView Weights() const {
    return {down_.values().data(), up_.values().data(), bias_.values().data()};
  }

  const SampleReader& train_;
  const SampleReader& held_out_;
  const MlpOptions& options_;
  ThreadPool& pool_;
  const int64_t batch_;           // tokens
  const int64_t steps_per_pass_;
  const int64_t all_steps_;
  MlpStep step_;
  AdamWeights down_, up_, bias_;
  std::vector<uint32_t> order_;  // [train.rows()]
  std::mt19937_64 random_;
  Batch buffers_;
  MlpFit fit_;
  double loss_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace

Result<MlpFit> TrainMlp(const SampleReader& train, const SampleReader& held_out,
                        std::span<const float> value_norm, MlpWeights start,
                        const MlpOptions& options, const Kernels& kernels, ThreadPool& pool) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckShapes(train, held_out, value_norm, start));
  const int64_t batch = std::min(options.batch, train.rows());
  const int64_t weights = start.rank * (start.d_model + start.n_ff) + start.n_ff;
  const uint64_t bytes =
      MlpStep::Bytes({start.d_model, start.rank, start.n_ff, options.relu}, batch) +
      static_cast<uint64_t>(batch * (start.d_model + start.n_ff) + 5 * weights + train.rows()) * 4;
  RETURN_IF_ERROR(RequireMemory(bytes, "Training a predictor"));
  return Trainer(train, held_out, value_norm, std::move(start), options, kernels, pool).Run();
}

void BalanceUnits(MlpWeights* weights) {
  const auto rank = static_cast<size_t>(weights->rank);
  std::vector<double> squares(rank);
  for (size_t i = 0; i < weights->up.size(); ++i) {
    squares[i % rank] += static_cast<double>(weights->up[i]) * static_cast<double>(weights->up[i]);
  }
  std::vector<float> lengths;
  for (const double square : squares) {
    const auto length = static_cast<float>(std::sqrt(square));
    lengths.push_back(length > 0 ? length : 1.0F);
  }
  for (size_t i = 0; i < weights->up.size(); ++i) weights->up[i] /= lengths[i % rank];
  for (size_t i = 0; i < weights->down.size(); ++i) {
    weights->down[i] *= lengths[i / static_cast<size_t>(weights->d_model)];
  }
}

}  // namespace thermocline
