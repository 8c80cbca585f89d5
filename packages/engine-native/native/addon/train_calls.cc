// Predictors fitted and scored for JavaScript: the calls behind openPredictorMath.
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"
#include "addon/predictor_values.h"
#include "model/architecture.h"
#include "train/fit_predictor.h"

namespace thermocline::addon {
namespace {

// Threads to fit and score with. Calls wait for one another.
struct Math {
  using Turn = std::unique_lock<std::timed_mutex>;

  explicit Math(int threads) : pool(threads) {}

  // Until it is let go of, the pool is the caller's. Who is cancelled waits no longer. kAborted.
  Result<Turn> Wait(const std::atomic<bool>& cancel) {
    Turn turn(mutex, std::defer_lock);
    while (!turn.try_lock_for(std::chrono::milliseconds(20))) {
      if (cancel) break;
    }
    if (cancel) return Status(StatusCode::kAborted, "the call was aborted");
    return turn;
  }

  std::timed_mutex mutex;
  ThreadPool pool;
};

struct MathHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4706};
  static constexpr const char* kName = "predictor mathematics";

  std::shared_ptr<Math> math;  // null once it is closed
};

std::shared_ptr<Math> OpenMathOf(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<MathHandle>(info.Env(), info[0]);
  if (handle.math != nullptr) return handle.math;
  throw ToError(info.Env(), Status(StatusCode::kClosed, "the predictor mathematics is closed"));
}

// A first matrix as JavaScript gave it, copied so that it cannot change meanwhile.
struct FirstWeights {
  std::vector<float> weights, bias;
  ActivationFunction activation = ActivationFunction::kRelu;
  bool given = false;

  Gate gate() const { return {weights, bias, activation}; }
};

// {weights, bias | null}, or null
FirstWeights ReadFirst(Napi::Value value, Napi::Value activation) {
  FirstWeights first;
  if (value.IsNull()) return first;
  const Napi::Object object = ReadObject(value, "first");
  first.given = true;
  first.weights = ReadFloats(object.Get("weights"), "first.weights");
  if (!object.Get("bias").IsNull()) first.bias = ReadFloats(object.Get("bias"), "first.bias");
  if (activation.IsNull()) return first;
  Hyperparameters model;
  model.activation = ReadString(activation, "activation");
  model.activation_source = "the options";
  const auto found = FindActivation(model);
  if (!found.ok()) throw ToError(value.Env(), found.status());
  first.activation = *found;
  return first;
}

struct SampleFiles {
  std::vector<std::string> files;
  std::vector<float> norms;
};

SampleFiles ReadSamples(Napi::Value value, const char* name) {
  const Napi::Object object = ReadObject(value, name);
  return {ReadStrings(object.Get("files"), "files"), ReadFloats(object.Get("norms"), "norms")};
}

// Tells the listener the share done and a loss, or null where there is none. Reports come as fast
// as they like; JavaScript hears the newest.
struct FitProgress {
  explicit FitProgress(Call to) : call(std::move(to)) {}

  static std::function<void(double, double)> Of(const Call& call) {
    const auto progress = std::make_shared<FitProgress>(call);
    return [progress](double fraction, double loss) {
      const std::lock_guard lock(progress->mutex);
      progress->fraction = fraction;
      progress->loss = loss;
      if (std::exchange(progress->posted, true)) return;
      progress->call.Notify(
          [progress](Napi::Env env, napi_value listener) { progress->Tell(env, listener); });
    };
  }

  void Tell(Napi::Env env, napi_value listener) {
    double now = 0, last = 0;
    {
      const std::lock_guard lock(mutex);
      posted = false;
      now = fraction;
      last = loss;
    }
    const napi_value arguments[] = {
        Napi::Number::New(env, now),
        std::isnan(last) ? env.Null() : Napi::Value(Napi::Number::New(env, last))};
    napi_call_function(env, env.Undefined(), listener, 2, arguments, nullptr);
  }

  const Call call;
  std::mutex mutex;
  double fraction = 0;
  double loss = 0;
  bool posted = false;
};

Napi::Object FromFit(Napi::Env env, const PredictorFit& fit) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("predictor", FromPredictor(env, fit.predictor));
  object.Set("scales", fit.scales.empty() ? env.Null() : FromFloats(env, fit.scales));
  Napi::Array losses = Napi::Array::New(env, fit.held_out_loss.size());
  for (size_t i = 0; i < fit.held_out_loss.size(); ++i) {
    losses.Set(static_cast<uint32_t>(i), Napi::Number::New(env, fit.held_out_loss[i]));
  }
  object.Set("heldOutLoss", losses);
  object.Set("best", fit.best);
  return object;
}

template <typename T>
Napi::Float64Array FromNumbers(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array[i] = static_cast<double>(values[i]);
  return array;
}

Napi::Object FromCurve(Napi::Env env, const ScoreCurve& curve) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", FromInteger(env, curve.tokens));
  object.Set("firing", FromSize(env, curve.firing));
  object.Set("firingValue", Napi::Number::New(env, curve.firing_value));
  object.Set("shifts", FromFloats(env, curve.shifts));
  object.Set("predicted", FromNumbers(env, curve.predicted));
  object.Set("hits", FromNumbers(env, curve.hits));
  object.Set("hitValue", FromNumbers(env, curve.hit_value));
  return object;
}

// openMath(threads) -> handle
Napi::Value OpenMath(const Napi::CallbackInfo& info) {
  const int64_t wanted = ReadInteger(info[0], "threads");
  if (wanted < 1 || wanted > 1024) {
    throw Napi::RangeError::New(info.Env(), "threads must be 1 to 1024");
  }
  auto handle = std::make_unique<MathHandle>();
  handle->math = std::make_shared<Math>(static_cast<int>(wanted));
  return WrapHandle(info.Env(), std::move(handle));
}

// closeMath(math): frees the threads when the calls in flight have ended
Napi::Value CloseMath(const Napi::CallbackInfo& info) {
  UnwrapHandle<MathHandle>(info.Env(), info[0]).math.reset();
  return info.Env().Undefined();
}

// Everything a fit needs, away from JavaScript.
struct FitJob {
  SampleFiles train;
  std::vector<std::string> held_out;
  FirstWeights first;
  FitOptions options;

  Result<PredictorFit> Run(Math& math) const {
    ASSIGN_OR_RETURN(const Math::Turn turn, math.Wait(*options.cancel));
    ASSIGN_OR_RETURN(const SampleReader samples, SampleReader::Open(train.files));
    ASSIGN_OR_RETURN(const SampleReader other, SampleReader::Open(held_out));
    FitOptions with = options;
    with.has_first = first.given;
    with.first = first.gate();
    return FitPredictor(samples, other, train.norms, with, *SelectKernels("auto"), math.pool);
  }
};

// fitPredictor(math, train, heldOutFiles, {kind, rank, type, first, activation, epochs, seed},
// onProgress) -> fit
Napi::Value Fit(const Napi::CallbackInfo& info) {
  const auto math = OpenMathOf(info);
  const auto job = std::make_shared<FitJob>();
  job->train = ReadSamples(info[1], "train");
  job->held_out = ReadStrings(info[2], "heldOut");
  const Napi::Object options = ReadObject(info[3], "options");
  job->options.kind = ReadPredictorKind(options.Get("kind"));
  job->options.rank = ReadInteger(options.Get("rank"), "rank");
  job->options.type = ReadPredictorType(options.Get("type"));
  job->options.epochs = static_cast<int>(ReadInteger(options.Get("epochs"), "epochs"));
  job->options.seed = ReadSize(options.Get("seed"), "seed");
  job->first = ReadFirst(options.Get("first"), options.Get("activation"));
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]}, info[4]);
  job->options.cancel = call.cancel().get();
  job->options.progress = FitProgress::Of(call);
  // It may take minutes: not among the few threads that others' calls share.
  environment.WaitFor(call, [call = call, math, job] {
    auto fit = job->Run(*math);
    if (!fit.ok()) return call.Reject(fit.status());
    call.Resolve([fit = std::make_shared<PredictorFit>(std::move(*fit))](Napi::Env env)
                     -> Napi::Value { return FromFit(env, *fit); });
  });
  return value;
}

struct ScoreJob {
  SampleFiles samples;
  LayerPredictor predictor;
  FirstWeights first;
  std::vector<float> scales;
  int64_t points = 0;

  Result<ScoreCurve> Run(Math& math, const std::atomic<bool>& cancel) const {
    ASSIGN_OR_RETURN(const Math::Turn turn, math.Wait(cancel));
    ASSIGN_OR_RETURN(const SampleReader reader, SampleReader::Open(samples.files));
    const Gate gate = first.gate();
    return ScorePredictor(reader, samples.norms, predictor, first.given ? &gate : nullptr, scales,
                          points, *SelectKernels("auto"), {&cancel, nullptr}, math.pool);
  }
};

// scorePredictor(math, samples, predictor, {first, activation, scales, points}) -> curve
Napi::Value Score(const Napi::CallbackInfo& info) {
  const auto math = OpenMathOf(info);
  const auto job = std::make_shared<ScoreJob>();
  job->samples = ReadSamples(info[1], "samples");
  job->predictor = ReadPredictor(info[2]);
  const Napi::Object options = ReadObject(info[3], "options");
  job->first = ReadFirst(options.Get("first"), options.Get("activation"));
  if (!options.Get("scales").IsNull()) job->scales = ReadFloats(options.Get("scales"), "scales");
  job->points = ReadInteger(options.Get("points"), "points");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.WaitFor(call, [call = call, math, job] {
    auto curve = job->Run(*math, *call.cancel());
    if (!curve.ok()) return call.Reject(curve.status());
    call.Resolve([curve = *std::move(curve)](Napi::Env env) -> Napi::Value {
      return FromCurve(env, curve);
    });
  });
  return value;
}

// readFirstMatrix(engine, layer) -> {weights, bias | null}
Napi::Value ReadFirstWeights(const Napi::CallbackInfo& info) {
  const auto open = UnwrapHandle<EngineHandle>(info.Env(), info[0]).open;
  const int64_t layer = ReadInteger(info[1], "layer");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, open, layer] {
    auto matrix = open->engine->ReadFirstMatrix(layer, call.cancel());
    if (!matrix.ok()) return call.Reject(matrix.status());
    call.Resolve([matrix = std::make_shared<FirstMatrix>(*std::move(matrix))](Napi::Env env)
                     -> Napi::Value {
      Napi::Object object = Napi::Object::New(env);
      object.Set("weights", FromFloats(env, matrix->weights));
      object.Set("bias", matrix->bias.empty() ? env.Null() : FromFloats(env, matrix->bias));
      return object;
    });
  });
  return value;
}

}  // namespace

void ExportTrainCalls(Napi::Object exports) {
  Export<OpenMath>(exports, "openMath");
  Export<CloseMath>(exports, "closeMath");
  Export<Fit>(exports, "fitPredictor");
  Export<Score>(exports, "scorePredictor");
  Export<ReadFirstWeights>(exports, "readFirstMatrix");
}

}  // namespace thermocline::addon
