// Prefill and decode speed of a model file, without Node:
//   engine_bench MODEL [threads] [prompt tokens] [generated tokens] [dense|exact] [kernels] [order]
// `order` is where a plan puts each layer's neurons, all of them on the CPU: "file", "scrambled", or
// a file of firing counts, U32 [layers][n_ff], for the hottest first.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine/engine.h"

using namespace thermocline;

namespace {

// One count a neuron, layer after layer: smaller numbers come later in the order.
std::vector<uint32_t> ReadKeys(const std::string& order, int64_t n) {
  std::vector<uint32_t> keys(static_cast<size_t>(n));
  if (order == "scrambled") {
    std::mt19937 random(1);
    for (uint32_t& key : keys) key = static_cast<uint32_t>(random());
    return keys;
  }
  std::ifstream file(order, std::ios::binary);
  const auto bytes = static_cast<std::streamsize>(keys.size() * sizeof(uint32_t));
  if (!file.read(reinterpret_cast<char*>(keys.data()), bytes) || file.peek() != EOF) return {};
  return keys;
}

Plan SortByKeys(const std::vector<int64_t>& n_ff, const std::vector<uint32_t>& keys) {
  Plan plan;
  auto layer_keys = keys.begin();
  for (const int64_t n : n_ff) {
    LayerPlan layer;
    layer.order.resize(static_cast<size_t>(n));
    std::iota(layer.order.begin(), layer.order.end(), 0U);
    std::stable_sort(layer.order.begin(), layer.order.end(),
                     [&](uint32_t a, uint32_t b) { return layer_keys[a] > layer_keys[b]; });
    layer.tier_end[1] = n;
    plan.layers.push_back(std::move(layer));
    layer_keys += n;
  }
  return plan;
}

Status Place(Engine& engine, const std::string& order) {
  if (order == "file") return Status::Ok();
  const std::vector<int64_t>& n_ff = engine.info().model.n_ff;
  const auto keys = ReadKeys(order, std::accumulate(n_ff.begin(), n_ff.end(), int64_t{0}));
  if (keys.empty()) {
    return Status(StatusCode::kInvalidArgument, order + " does not hold one U32 a neuron");
  }
  std::promise<Status> placed;
  engine.SetPlan(SortByKeys(n_ff, keys), [&](Status status) { placed.set_value(status); });
  return placed.get_future().get();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: engine_bench MODEL [threads] [prompt] [generate] [mode] [kernels] "
                         "[order]\n");
    return 2;
  }
  const auto number = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
  EngineOptions options;
  options.threads = number(2, 2);
  if (argc > 6) options.kernels = argv[6];
  const auto opened = Engine::Open(argv[1], options);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().message().c_str());
    return 1;
  }
  Engine& engine = **opened;
  const Status placed = Place(engine, argc > 7 ? argv[7] : "file");
  if (!placed.ok()) {
    std::fprintf(stderr, "%s\n", placed.message().c_str());
    return 1;
  }
  const Mode mode = argc > 5 && std::string(argv[5]) == "exact" ? Mode::kExact : Mode::kDense;
  const int n_prompt = number(3, 256);
  const int n_generate = number(4, 128);

  std::vector<double> prefill, decode, bytes;
  for (int round = 0; round < 5; ++round) {
    const auto session = engine.CreateSession({});
    if (!session.ok()) {
      std::fprintf(stderr, "%s\n", session.status().message().c_str());
      return 1;
    }
    std::vector<TokenId> prompt;
    for (int i = 0; i < n_prompt; ++i) {
      prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % engine.info().model.vocab));
    }
    GenerateOptions generate;
    generate.max_tokens = n_generate;
    generate.ignore_eos = true;
    generate.mode = mode;
    std::promise<Result<GenerateResult>> done;
    engine.Generate(*session, prompt, generate, [](auto, auto) {},
                    [&](auto result) { done.set_value(std::move(result)); });
    const auto result = done.get_future().get();
    if (!result.ok()) {
      std::fprintf(stderr, "%s\n", result.status().message().c_str());
      return 1;
    }
    prefill.push_back(n_prompt / result->prefill.time_ms * 1e3);
    const auto& times = result->token_times_ms;
    decode.push_back(static_cast<double>(times.size() - 1) / (times.back() - times.front()) * 1e3);
    bytes.push_back(static_cast<double>(result->decode.bytes_read[1]) /
                    static_cast<double>(result->decode.tokens));
  }
  const auto median = [](std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
  };
  std::printf("%s %s: prefill %.1f tokens/s, decode %.1f tokens/s, %.2f MB/token, %.1f GB/s\n",
              engine.info().kernels.c_str(), ModeName(mode), median(prefill), median(decode),
              median(bytes) / 1e6, median(bytes) * median(decode) / 1e9);
  return 0;
}
