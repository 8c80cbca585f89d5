// Modes predicted and threshold through the engine: what predictors may and may not change.
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/engine_testing.h"
#include "io/model_file.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::GenerateNow;
using testing::NewSession;
using testing::OpenForTest;
using testing::StepNow;
using testing::Wait;
using Kind = LayerPredictor::Kind;
using Logits = std::vector<std::vector<float>>;

const std::vector<TokenId> kTokens = {5, 99, 3, 200, 17, 64, 64, 1, 31, 77, 140, 8};

// A tiny model on disk, with what is needed to make predictor sets for it.
class Subject {
 public:
  explicit Subject(const TinyModel& model) : model_(model), file_("tiny.gguf") {
    EXPECT_OK(WriteTinyModel(model_, file_.path()));
    auto opened = OpenModelFile(file_.path());
    EXPECT_OK(opened);
    if (!opened.ok()) return;
    const auto fingerprint = (*opened)->Fingerprint();
    EXPECT_OK(fingerprint);
    if (fingerprint.ok()) fingerprint_ = *fingerprint;
  }

  const std::string& path() const { return file_.path(); }
  std::shared_ptr<Engine> Open(std::shared_ptr<const PredictorSet> set, int threads = 2) const {
    EngineOptions options;
    options.threads = threads;
    options.predictors = std::move(set);
    return OpenForTest(file_.path(), options);
  }

  // Layer after layer what `make` gives for its number.
  template <typename Make>
  std::shared_ptr<PredictorSet> Set(Make make) const {
    auto set = std::make_shared<PredictorSet>();
    set->fingerprint = fingerprint_;
    for (int64_t i = 0; i < model_.layers; ++i) set->layers.push_back(make(i));
    return set;
  }

  // F32 matrices of random numbers.
  LayerPredictor Random(int64_t layer, float threshold) const {
    LayerPredictor p;
    p.kind = layer % 2 == 0 ? Kind::kTrained : Kind::kFactorised;
    p.down = Matrix(32, model_.d_model, 7 + static_cast<uint64_t>(layer));
    p.up = Matrix(model_.n_ff, 32, 70 + static_cast<uint64_t>(layer));
    p.threshold = {threshold};
    return p;
  }

  // The first matrix itself, as a product with the identity: the score is what decides firing.
  LayerPredictor Perfect(int64_t layer) const {
    LayerPredictor p;
    p.kind = Kind::kFactorised;
    p.down = Matrix(model_.d_model, model_.d_model, 0);
    for (int64_t i = 0; i < model_.d_model; ++i) {
      for (int64_t j = 0; j < model_.d_model; ++j) Put(p.down, i, j, i == j ? 1.0F : 0.0F);
    }
    const std::string prefix = "blk." + std::to_string(layer) + ".ffn_";
    const bool gated = model_.arch == "llama";
    p.up = Matrix(model_.n_ff, model_.d_model, 0);
    p.up.values = Tensor(prefix + (gated ? "gate.weight" : "up.weight"));
    p.threshold = {0};
    if (gated) return p;
    const std::vector<std::byte> bias = Tensor(prefix + "up.bias");
    p.threshold.resize(static_cast<size_t>(model_.n_ff));
    std::memcpy(p.threshold.data(), bias.data(), bias.size());
    for (float& t : p.threshold) t = -t;
    return p;
  }

  LayerPredictor Gate(float threshold) const {
    LayerPredictor p;
    p.kind = Kind::kGate;
    p.threshold = {threshold};
    return p;
  }

 private:
  static void Put(PredictorMatrix& m, int64_t row, int64_t col, float value) {
    std::memcpy(m.values.data() + 4 * (row * m.cols + col), &value, 4);
  }
  static PredictorMatrix Matrix(int64_t rows, int64_t cols, uint64_t seed) {
    PredictorMatrix m;
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<size_t>(4 * rows * cols));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        Put(m, r, c, static_cast<float>(seed >> 40) / static_cast<float>(1 << 23) - 1.0F);
      }
    }
    return m;
  }
  std::vector<std::byte> Tensor(const std::string& name) const {
    const auto file = OpenModelFile(file_.path());
    const TensorInfo* tensor = file.ok() ? (*file)->Find(name) : nullptr;
    EXPECT_TRUE(tensor != nullptr && tensor->type == DType::kF32);
    if (tensor == nullptr) return {};
    int64_t n = 1;
    for (const int64_t dim : tensor->shape) n *= dim;
    std::vector<std::byte> bytes(static_cast<size_t>(4 * n));
    EXPECT_OK((*file)->Read(*tensor, 0, bytes));
    return bytes;
  }

  const TinyModel model_;
  const TemporaryFile file_;
  std::string fingerprint_;
};

constexpr float kAll = -std::numeric_limits<float>::max();

TinyModel Tiny(const std::string& arch, const std::string& activation,
               DType type = DType::kF32) {
  TinyModel model = TinyModelOf(type);
  model.arch = arch;
  model.activation = activation;
  model.layers = 3;
  return model;
}

const std::pair<const char*, const char*> kReluModels[] = {
    {"llama", "relu"}, {"opt", "relu"}, {"llama", "drelu"}};

Logits LogitsOf(Engine& engine, Mode mode) {
  return AllLogits(engine, NewSession(engine), kTokens, mode);
}

TEST(Predicted, AllActiveHasTheBitsOfDense) {
  for (const auto& [arch, activation] : kReluModels) {
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K,
                             DType::kQ6_K}) {
      const Subject subject(Tiny(arch, activation, type));
      const auto set = subject.Set([&](int64_t i) {
        LayerPredictor p = subject.Random(i, kAll);
        p.reads_previous_layer = i == 2;
        return p;
      });
      const auto engine = subject.Open(set);
      ASSERT_TRUE(engine != nullptr);
      const Logits dense = LogitsOf(*engine, Mode::kDense);
      EXPECT_TRUE(dense == LogitsOf(*engine, Mode::kPredicted));
      EXPECT_TRUE(dense == LogitsOf(*engine, Mode::kExact));
    }
  }
}

TEST(Predicted, PerfectPredictorsHaveTheBitsOfExact) {
  for (const auto& [arch, activation] : kReluModels) {
    const Subject subject(Tiny(arch, activation));
    const auto engine = subject.Open(subject.Set([&](int64_t i) { return subject.Perfect(i); }));
    ASSERT_TRUE(engine != nullptr);
    EXPECT_TRUE(LogitsOf(*engine, Mode::kExact) == LogitsOf(*engine, Mode::kPredicted));
    const auto stats = [&](Mode mode) {
      StepOptions options;
      options.mode = mode;
      auto result = StepNow(*engine, {{NewSession(*engine), kTokens, {}}}, options);
      EXPECT_OK(result);
      return result.ok() ? result->front().stats : StepStats();
    };
    const StepStats exact = stats(Mode::kExact);
    const StepStats predicted = stats(Mode::kPredicted);
    EXPECT_TRUE(exact.fired == predicted.fired);
    EXPECT_TRUE(exact.computed == exact.neurons);
    EXPECT_EQ(predicted.computed.size(), 3U);
    for (size_t i = 0; i < predicted.computed.size(); ++i) {
      // With a double ReLU the gate alone does not tell.
      EXPECT_GE(predicted.computed[i], predicted.fired[i]);
      if (std::string(activation) == "relu") EXPECT_EQ(predicted.computed[i], predicted.fired[i]);
      EXPECT_LT(predicted.computed[i], predicted.neurons[i]);
      EXPECT_EQ(predicted.predictor_bytes[i], 4U * (64 * 64 + 288 * 64));
      EXPECT_GT(predicted.predictor_ms[i], 0.0);
      EXPECT_EQ(exact.predictor_bytes[i], 0U);
    }
  }
}

TEST(Predicted, BatchesRepeatsAndThreadsChangeNoBits) {
  for (const auto& [arch, activation] : kReluModels) {
    const Subject subject(Tiny(arch, activation, DType::kQ8_0));
    const auto set = subject.Set([&](int64_t i) {
      LayerPredictor p = subject.Random(i, 1.0F);
      p.reads_previous_layer = i == 1;
      return p;
    });
    Logits known;
    for (const int threads : {1, 2, 3}) {
      const auto engine = subject.Open(set, threads);
      ASSERT_TRUE(engine != nullptr);
      // The prompt at once, and token by token.
      const Logits whole = LogitsOf(*engine, Mode::kPredicted);
      const auto session = NewSession(*engine);
      for (size_t i = 0; i < kTokens.size(); ++i) {
        const Logits one = AllLogits(*engine, session, {kTokens[i]}, Mode::kPredicted);
        ASSERT_EQ(one.size(), 1U);
        EXPECT_TRUE(one[0] == whole[i]);
      }
      // Beside others.
      StepOptions options;
      options.mode = Mode::kPredicted;
      std::vector<StepItem> items;
      for (int i = 0; i < 3; ++i) {
        std::vector<TokenId> tokens(kTokens.begin() + i, kTokens.end());
        items.push_back({NewSession(*engine), tokens, {static_cast<int64_t>(tokens.size()) - 1}});
      }
      const auto together = StepNow(*engine, items, options);
      ASSERT_OK(together);
      EXPECT_TRUE((*together)[0].logits[0] == whole.back());
      for (size_t i = 1; i < 3; ++i) {
        const auto alone =
            AllLogits(*engine, NewSession(*engine), items[i].tokens, Mode::kPredicted);
        EXPECT_TRUE((*together)[i].logits[0] == alone.back());
      }
      if (known.empty()) known = whole;
      for (int repeat = 0; repeat < 10; ++repeat) {
        EXPECT_TRUE(known == LogitsOf(*engine, Mode::kPredicted));
      }
    }
    // And yet it is not what dense gives: neurons were left out.
    EXPECT_FALSE(known == LogitsOf(*subject.Open(set), Mode::kDense));
  }
}

TEST(Predicted, LookaheadReadsTheLayerBefore) {
  const Subject subject(Tiny("llama", "relu"));
  const auto logits = [&](bool ahead) {
    const auto engine = subject.Open(subject.Set([&](int64_t i) {
      LayerPredictor p = i == 1 ? subject.Random(i, 0.5F) : LayerPredictor();
      p.reads_previous_layer = ahead && i == 1;
      return p;
    }));
    return LogitsOf(*engine, Mode::kPredicted);
  };
  EXPECT_FALSE(logits(true) == logits(false));
  // Layers without a predictor are exact.
  const auto engine = subject.Open(subject.Set([](int64_t) { return LayerPredictor(); }));
  EXPECT_TRUE(LogitsOf(*engine, Mode::kExact) == LogitsOf(*engine, Mode::kPredicted));
}

Evaluation Audited(Engine& engine, Mode mode) {
  StepOptions options;
  options.mode = mode;
  options.audit = true;
  StepItem item{NewSession(engine), kTokens, {}};
  for (size_t i = 0; i < kTokens.size(); ++i) item.logits.push_back(static_cast<int64_t>(i));
  auto result = StepNow(engine, {std::move(item)}, std::move(options));
  EXPECT_OK(result);
  return result.ok() ? std::move(result->front()) : Evaluation();
}

TEST(Predicted, AuditsCompareWithWhatFires) {
  for (const auto& [arch, activation] : kReluModels) {
    const Subject subject(Tiny(arch, activation));
    const auto engine = subject.Open(subject.Set([&](int64_t i) {
      return i == 0 ? subject.Perfect(i) : i == 1 ? subject.Random(i, 1.0F) : subject.Gate(0.05F);
    }));
    ASSERT_TRUE(engine != nullptr);
    const Evaluation audited = Audited(*engine, Mode::kPredicted);
    EXPECT_TRUE(audited.logits == LogitsOf(*engine, Mode::kPredicted));
    const PredictionAudit& audit = audited.audit;
    EXPECT_EQ(audit.tokens, static_cast<int64_t>(kTokens.size()));
    ASSERT_EQ(audit.layers.size(), 3U);
    EXPECT_EQ(audit.layers[0].hits, audit.layers[0].firing);
    EXPECT_EQ(audit.layers[0].hit_value, audit.layers[0].firing_value);
    for (size_t i = 0; i < 3; ++i) {
      const PredictionAudit::Layer& layer = audit.layers[i];
      EXPECT_EQ(layer.predicted, audited.stats.computed[i]);
      EXPECT_EQ(layer.hits, audited.stats.fired[i]);  // of what was computed
      EXPECT_LE(layer.hits, layer.predicted);
      if (i == 0) continue;
      EXPECT_TRUE(layer.hits > 0 && layer.hits < layer.firing);
      EXPECT_TRUE(layer.hit_value > 0 && layer.hit_value < layer.firing_value);
    }
    // In exact mode nothing is missed.
    for (const PredictionAudit::Layer& layer : Audited(*engine, Mode::kExact).audit.layers) {
      EXPECT_EQ(layer.hits, layer.firing);
      EXPECT_EQ(layer.predicted, 288U * kTokens.size());
    }
    EXPECT_TRUE(StepNow(*engine, {{NewSession(*engine), kTokens, {}}})->front().audit.layers
                    .empty());
  }
}

TEST(Predicted, GeneratesAsItReads) {
  const Subject subject(Tiny("llama", "relu", DType::kF16));
  const auto engine = subject.Open(subject.Set([&](int64_t i) {
    return subject.Random(i, kAll);
  }));
  ASSERT_TRUE(engine != nullptr);
  GenerateOptions options;
  options.max_tokens = 20;
  options.ignore_eos = true;
  options.sampling.temperature = 0;
  const auto dense = GenerateNow(*engine, NewSession(*engine), kTokens, options);
  options.mode = Mode::kPredicted;
  const auto predicted = GenerateNow(*engine, NewSession(*engine), kTokens, options);
  ASSERT_OK(dense.result);
  ASSERT_OK(predicted.result);
  EXPECT_TRUE(dense.result->tokens == predicted.result->tokens);
  EXPECT_EQ(predicted.result->decode.computed[0], predicted.result->decode.neurons[0]);
}

TEST(Threshold, LeavesOutWhatIsSmall) {
  for (const auto& [arch, activation] : {std::pair{"llama", "silu"}, std::pair{"opt", "gelu"}}) {
    const Subject subject(Tiny(arch, activation));
    const auto engine = subject.Open(subject.Set([&](int64_t i) {
      return i == 1 ? LayerPredictor() : subject.Gate(-1.0F);
    }));
    ASSERT_TRUE(engine != nullptr);
    const Logits dense = LogitsOf(*engine, Mode::kDense);
    EXPECT_TRUE(dense == LogitsOf(*engine, Mode::kThreshold));
    EXPECT_OK(Wait([&](auto done) {
      engine->SetPredictors(subject.Set([&](int64_t i) {
        return i == 1 ? LayerPredictor() : subject.Gate(0.05F);
      }), done);
    }));
    const Evaluation audited = Audited(*engine, Mode::kThreshold);
    EXPECT_TRUE(audited.logits == LogitsOf(*engine, Mode::kThreshold));
    EXPECT_FALSE(audited.logits == dense);
    EXPECT_EQ(audited.stats.computed[1], audited.stats.neurons[1]);
    for (const size_t i : {0U, 2U}) {
      EXPECT_TRUE(audited.stats.computed[i] > 0 &&
                  audited.stats.computed[i] < audited.stats.neurons[i]);
      EXPECT_GT(audited.audit.layers[i].hit_value, 0.2 * audited.audit.layers[i].firing_value);
      EXPECT_EQ(audited.stats.predictor_bytes[i], 0U);  // it computes that product anyway
    }
  }
}

std::vector<Mode> ModesOf(const Engine& engine) { return engine.info().modes; }

TEST(Predicted, ModesFollowThePredictors) {
  using Modes = std::vector<Mode>;
  const Subject relu(Tiny("llama", "relu"));
  const auto engine = relu.Open(nullptr);
  ASSERT_TRUE(engine != nullptr);
  const auto step = [&](Engine& e, Mode mode) {
    StepOptions options;
    options.mode = mode;
    return StepNow(e, {{NewSession(e), kTokens, {}}}, options).status();
  };
  const auto set = [&](std::shared_ptr<const PredictorSet> predictors) {
    return Wait([&](auto done) { engine->SetPredictors(predictors, done); });
  };
  const Modes bare = {Mode::kDense, Mode::kExact};
  EXPECT_TRUE(ModesOf(*engine) == bare);
  EXPECT_STATUS(step(*engine, Mode::kPredicted), StatusCode::kModeUnsupported);
  EXPECT_STATUS(step(*engine, Mode::kThreshold), StatusCode::kModeUnsupported);
  const auto scores = relu.Set([&](int64_t i) { return relu.Random(i, 0); });
  EXPECT_OK(set(scores));
  EXPECT_TRUE((ModesOf(*engine) == Modes{Mode::kDense, Mode::kExact, Mode::kPredicted}));
  EXPECT_OK(step(*engine, Mode::kPredicted));
  EXPECT_STATUS(step(*engine, Mode::kThreshold), StatusCode::kModeUnsupported);
  EXPECT_OK(set(relu.Set([&](int64_t) { return relu.Gate(0); })));
  EXPECT_EQ(ModesOf(*engine).size(), 4U);
  EXPECT_TRUE(LogitsOf(*engine, Mode::kThreshold) == LogitsOf(*engine, Mode::kExact));
  EXPECT_TRUE(LogitsOf(*engine, Mode::kPredicted) == LogitsOf(*engine, Mode::kExact));
  // Handed in before they go, carried out after.
  StepOptions options;
  options.mode = Mode::kPredicted;
  auto promise = std::make_shared<std::promise<Status>>();
  engine->SetPredictors(nullptr, [](Status) {});
  engine->Step({{NewSession(*engine), kTokens, {}}}, options,
               [promise](auto result) { promise->set_value(result.status()); });
  EXPECT_STATUS(promise->get_future().get(), StatusCode::kModeUnsupported);
  EXPECT_TRUE(ModesOf(*engine) == bare);

  const Subject silu(Tiny("llama", "silu"));
  const auto smooth = silu.Open(silu.Set([&](int64_t i) { return silu.Random(i, 0); }));
  ASSERT_TRUE(smooth != nullptr);
  EXPECT_TRUE((ModesOf(*smooth) == Modes{Mode::kDense}));
  EXPECT_STATUS(step(*smooth, Mode::kPredicted), StatusCode::kModeUnsupported);
  EXPECT_STATUS(step(*smooth, Mode::kThreshold), StatusCode::kModeUnsupported);
}

uint64_t UsedFor(const Engine& engine, const std::string& purpose) {
  const auto uses = engine.memory().front().uses;
  const auto found = uses.find(purpose);
  return found == uses.end() ? 0 : found->second;
}

TEST(Predicted, SetsThatDoNotFitAreRefused) {
  const Subject subject(Tiny("llama", "relu"));
  const auto good = subject.Set([&](int64_t i) { return subject.Random(i, 0); });
  const auto engine = subject.Open(nullptr);
  ASSERT_TRUE(engine != nullptr);
  const auto set = [&](std::shared_ptr<const PredictorSet> predictors) {
    return Wait([&](auto done) { engine->SetPredictors(predictors, done); });
  };
  EXPECT_EQ(UsedFor(*engine, "predictors"), 0U);
  EXPECT_OK(set(good));
  const uint64_t used = UsedFor(*engine, "predictors");
  EXPECT_GT(used, 3U * 4U * (32 * 64 + 288 * 32));

  const auto refused = [&](StatusCode code, auto change) {
    auto bad = std::make_shared<PredictorSet>(*good);
    change(*bad);
    EXPECT_STATUS(set(bad), code);
    EngineOptions options;
    options.predictors = bad;
    EXPECT_STATUS(Engine::Open(subject.path(), options), code);
  };
  refused(StatusCode::kArtifactModelMismatch, [](auto& s) { s.fingerprint = "ff"; });
  refused(StatusCode::kInvalidArgument, [](auto& s) { s.layers.pop_back(); });
  refused(StatusCode::kInvalidArgument, [](auto& s) { s.layers[1].up.values.pop_back(); });
  refused(StatusCode::kInvalidArgument, [](auto& s) { s.layers[1].threshold.clear(); });
  refused(StatusCode::kInvalidArgument, [](auto& s) { s.layers[0].reads_previous_layer = true; });
  refused(StatusCode::kInvalidArgument, [](auto& s) { s.layers[0].threshold[0] = std::nanf(""); });
  refused(StatusCode::kInvalidArgument, [](auto& s) {
    std::memset(s.layers[1].down.values.data(), 0xFF, 4);
  });
  refused(StatusCode::kInvalidArgument, [](auto& s) {
    s.layers[2].down.rows = s.layers[2].up.cols = int64_t{1} << 40;
  });
  // What was there is there still.
  EXPECT_EQ(UsedFor(*engine, "predictors"), used);
  EXPECT_EQ(ModesOf(*engine).size(), 3U);
  EXPECT_OK(set(nullptr));
  EXPECT_EQ(UsedFor(*engine, "predictors"), 0U);
}

TEST(Predicted, PredictorsAreBudgeted) {
  const Subject subject(Tiny("llama", "relu"));
  const auto good = subject.Set([&](int64_t i) { return subject.Random(i, 0); });
  const TierMemory bare = subject.Open(nullptr)->memory().front();
  const TierMemory with = subject.Open(good)->memory().front();
  EngineOptions options;
  options.predictors = good;
  options.ram_budget = with.planned;
  EXPECT_OK(Engine::Open(subject.path(), options));
  options.ram_budget = with.planned - 1;
  bool began = false;  // nothing is read in vain
  options.progress = [&began](const LoadProgress&) { began = true; };
  EXPECT_STATUS(Engine::Open(subject.path(), options), StatusCode::kOutOfMemory);
  EXPECT_FALSE(began);
  options.predictors = nullptr;
  options.ram_budget = bare.planned;
  const auto engine = OpenForTest(subject.path(), options);
  ASSERT_TRUE(engine != nullptr);
  EXPECT_STATUS(Wait([&](auto done) { engine->SetPredictors(good, done); }),
                StatusCode::kOutOfMemory);
  EXPECT_EQ(engine->memory().front().planned, bare.planned);
}

}  // namespace
}  // namespace thermocline
