#include "fuzz/exercise.h"

#include <algorithm>
#include <array>
#include <future>
#include <vector>

#include "engine/engine.h"
#include "io/artifact_reader.h"
#include "io/model_file.h"
#include "sparsity/predictors.h"
#include "tokenizer/tokenizer.h"

namespace thermocline::fuzz {
namespace {

bool ExerciseTokenizer(const ModelFile& file) {
  auto vocabulary = file.vocabulary();
  if (!vocabulary.ok()) return false;
  const auto tokenizer = Tokenizer::Create(std::move(vocabulary).value(), file.path());
  if (!tokenizer.ok()) return false;
  for (const char* text : {"", "the hand, and 12 345 things!\n\n  é ▁ \t", "<|endoftext|></s>",
                           "\xFF\xC0 \xED\xA0\x80 \xF0\x9F\x98\x80"}) {
    const auto ids = (*tokenizer)->Encode(text, {.add_special = true, .parse_special = true});
    (void)(*tokenizer)->Decode(ids, true);
    (void)(*tokenizer)->Encode(text, {});
  }
  const std::array<TokenId, 6> ids = {-1, 0, 1, 3, 1 << 30, 299};
  (void)(*tokenizer)->Decode(ids, false);
  return true;
}

// Loads the weights and computes a token with them.
bool ExerciseEngine(const std::string& path) {
  EngineOptions options;
  options.threads = 1;
  const auto engine = Engine::Open(path, options);
  if (!engine.ok()) return false;
  SessionOptions session_options;
  session_options.context = std::min<int64_t>(4, (*engine)->info().context);
  const auto session = (*engine)->CreateSession(session_options);
  if (!session.ok()) return false;
  std::promise<bool> computed;
  (*engine)->Step({{*session, {0, 1}, {1}}}, {},
                  [&](auto result) { computed.set_value(result.ok()); });
  return computed.get_future().get();
}

// Readies the predictors and lists neurons by them, layer after layer. What the reader lets through
// must be good to run.
bool ExercisePredictors(const PredictorSet& set) {
  const ArtifactModel& model = set.model;
  auto predictors = Predictors::Create(set, model.d_model, model.n_ff, 1);
  if (!predictors.ok()) return false;
  const std::vector<float> x(static_cast<size_t>(model.d_model), 0.5F);
  std::vector<PredictorCost> costs(set.layers.size());
  ThreadPool pool(1);
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    predictors->Take(layer, x.data(), 1, *SelectKernels("auto"), pool, costs);
  }
  return true;
}

}  // namespace

bool ExerciseModel(const std::string& path) {
  const auto inspected = OpenModelFile(path, OpenPurpose::kInspect);
  if (!inspected.ok()) return false;
  const bool has_metadata = (*inspected)->metadata().ok();
  const bool has_shape = (*inspected)->hyperparameters().ok();

  const auto file = OpenModelFile(path);
  if (!file.ok()) return false;
  const bool has_fingerprint = (*file)->Fingerprint().ok();
  const bool has_tokenizer = ExerciseTokenizer(**file);
  const bool has_engine = ExerciseEngine(path);
  return has_metadata && has_shape && has_fingerprint && has_tokenizer && has_engine;
}

bool ExerciseArtifact(const std::string& path) {
  const bool is_profile = ReadActivationProfile(path).ok();
  const bool is_plan = ReadPlacementPlan(path).ok();
  const auto set = ReadPredictorSet(path);
  return is_profile || is_plan || (set.ok() && ExercisePredictors(*set));
}

}  // namespace thermocline::fuzz
