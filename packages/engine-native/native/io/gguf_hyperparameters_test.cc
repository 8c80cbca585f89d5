#include "io/gguf_reader.h"
#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::GgufBytes;
using testing::TempFolder;

// A llama of two layers with only the keys that have no default.
GgufBytes Minimal() {
  GgufBytes bytes;
  bytes.String("general.architecture", "llama")
      .U32("llama.block_count", 2)
      .U32("llama.embedding_length", 32)
      .U32("llama.context_length", 64)
      .U32("llama.feed_forward_length", 48)
      .U32("llama.attention.head_count", 4)
      .F32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .U32("llama.vocab_size", 100);
  return bytes;
}

Result<Hyperparameters> Read(const GgufBytes& bytes, size_t data_bytes = 0) {
  const TempFolder folder;
  const auto file = OpenModelFile(folder.Write("m.gguf", bytes.Build(data_bytes)));
  if (!file.ok()) return file.status();
  return (*file)->hyperparameters();
}

void ExpectError(const Result<Hyperparameters>& hp, StatusCode code, const std::string& word) {
  EXPECT_STATUS(hp, code);
  if (hp.status().message().find(word) == std::string::npos) EXPECT_EQ(hp.status().message(), word);
}

TEST(GgufHyperparameters, Defaults) {
  const auto hp = Read(Minimal());
  ASSERT_OK(hp);
  EXPECT_EQ(hp->kv_heads, 4);
  EXPECT_EQ(hp->head_dim, 8);
  EXPECT_EQ(hp->rope_dim, 8);
  EXPECT_EQ(hp->rope_theta, 10000.0F);
  EXPECT_EQ(hp->rope_scale, 1.0F);
  EXPECT_EQ(hp->activation, "silu");
  EXPECT_EQ(hp->activation_source, "default of llama");
  EXPECT_TRUE((hp->n_ff == std::vector<int64_t>{48, 48}));
}

TEST(GgufHyperparameters, SyntheticWeightsAreMarked) {
  EXPECT_FALSE(Read(Minimal())->synthetic);
  EXPECT_TRUE(Read(Minimal().Raw("thermocline.synthetic", 7, std::string(1, '\1')))->synthetic);
  ExpectError(Read(Minimal().U32("thermocline.synthetic", 1)), StatusCode::kModelCorrupt,
              "thermocline.synthetic");
}

TEST(GgufHyperparameters, MissingKeysAreNamed) {
  for (const char* key : {"block_count", "embedding_length", "context_length",
                          "feed_forward_length", "attention.head_count",
                          "attention.layer_norm_rms_epsilon", "vocab_size"}) {
    GgufBytes bytes = Minimal();
    const std::string name = std::string("llama.") + key;
    const size_t at = bytes.keys.find(name);
    ASSERT_TRUE(at != std::string::npos);
    bytes.keys[at] = 'x';  // another name of the same length
    ExpectError(Read(bytes), StatusCode::kModelCorrupt, name);
  }
  ExpectError(Read(GgufBytes()), StatusCode::kModelCorrupt, "general.architecture");
}

TEST(GgufHyperparameters, OtherArchitecturesAreNamed) {
  ExpectError(Read(GgufBytes().String("general.architecture", "mamba")),
              StatusCode::kModelUnsupported, "mamba");
}

TEST(GgufHyperparameters, PerLayerSizes) {
  GgufBytes bytes = Minimal();
  bytes.keys[bytes.keys.find("llama.feed_forward_length")] = 'x';
  GgufBytes good = bytes;
  const auto hp = Read(good.Array<uint32_t>("llama.feed_forward_length", 4, {16, 24}));
  ASSERT_OK(hp);
  EXPECT_TRUE((hp->n_ff == std::vector<int64_t>{16, 24}));
  GgufBytes bad = bytes;
  ExpectError(Read(bad.Array<uint32_t>("llama.feed_forward_length", 4, {16, 24, 32})),
              StatusCode::kModelCorrupt, "3 items");
  GgufBytes negative = bytes;
  ExpectError(Read(negative.Array<int32_t>("llama.feed_forward_length", 5, {16, -1})),
              StatusCode::kModelCorrupt, "negative");
}

TEST(GgufHyperparameters, ActivationKeysInOrder) {
  const auto activation = [](GgufBytes bytes) {
    const auto hp = Read(bytes);
    return hp.ok() ? hp->activation + " by " + hp->activation_source
                   : std::string(StatusCodeName(hp.status().code()));
  };
  GgufBytes bytes = Minimal();
  bytes.F32("powerinfer.sparse_threshold", 0.0F);
  EXPECT_EQ(activation(bytes), "relu by powerinfer.sparse_threshold");
  bytes.String("llama.feed_forward.activation", "gelu");
  EXPECT_EQ(activation(bytes), "gelu by llama.feed_forward.activation");
  bytes.String("llama.hidden_activation", "Swish");
  EXPECT_EQ(activation(bytes), "silu by llama.hidden_activation");
  bytes.String("llama.hidden_act", "relu");
  EXPECT_EQ(activation(bytes), "relu by llama.hidden_act");
  GgufBytes twice = Minimal();
  EXPECT_EQ(activation(twice.String("llama.hidden_act", "dReLU")), "drelu by llama.hidden_act");
  bytes.String("thermocline.activation", "silu");
  EXPECT_EQ(activation(bytes), "silu by thermocline.activation");
  GgufBytes unknown = Minimal();
  EXPECT_EQ(activation(unknown.String("llama.hidden_act", "tanhshrink")), "MODEL_UNSUPPORTED");
}

TEST(GgufHyperparameters, RopeScaling) {
  GgufBytes linear = Minimal();
  linear.String("llama.rope.scaling.type", "linear").F32("llama.rope.scaling.factor", 4.0F);
  const auto hp = Read(linear);
  ASSERT_OK(hp);
  EXPECT_EQ(hp->rope_scale, 4.0F);
  GgufBytes none = Minimal();
  none.String("llama.rope.scaling.type", "none").F32("llama.rope.scaling.factor", 4.0F);
  const auto unscaled = Read(none);
  ASSERT_OK(unscaled);
  EXPECT_EQ(unscaled->rope_scale, 1.0F);
  GgufBytes yarn = Minimal();
  ExpectError(Read(yarn.String("llama.rope.scaling.type", "yarn")), StatusCode::kModelUnsupported,
              "yarn");
  GgufBytes factors = Minimal();
  ExpectError(Read(factors.Tensor("rope_freqs.weight", {4}, 0, 0), 32),
              StatusCode::kModelUnsupported, "rope_freqs");
}

TEST(GgufHyperparameters, OptionsOfOtherModels) {
  GgufBytes experts = Minimal();
  ExpectError(Read(experts.U32("llama.expert_count", 8)), StatusCode::kModelUnsupported, "experts");
  GgufBytes scale = Minimal();
  ExpectError(Read(scale.F32("llama.logit_scale", 0.5F)), StatusCode::kModelUnsupported,
              "logit_scale");
  GgufBytes value = Minimal();
  ExpectError(Read(value.U32("llama.attention.value_length", 16)), StatusCode::kModelUnsupported,
              "different size");
}

TEST(GgufHyperparameters, NumbersMustFitEachOther) {
  const auto with = [](const char* key, uint32_t number) {
    GgufBytes bytes = Minimal();
    bytes.keys[bytes.keys.find(key) < bytes.keys.size() ? bytes.keys.find(key) : 0] = 'x';
    return Read(bytes.U32(key, number));
  };
  for (const uint32_t bad : {0U, 5000U, 0xFFFFFFFFU}) {
    ExpectError(with("llama.block_count", bad), StatusCode::kModelCorrupt, "block_count");
  }
  ExpectError(with("llama.embedding_length", 0), StatusCode::kModelCorrupt, "hidden size");
  ExpectError(with("llama.attention.head_count", 0), StatusCode::kModelCorrupt, "heads");
  ExpectError(with("llama.context_length", 0), StatusCode::kModelCorrupt, "context");
  ExpectError(with("llama.vocab_size", 1U << 30), StatusCode::kModelCorrupt, "vocabulary");
  GgufBytes kv = Minimal();
  ExpectError(Read(kv.U32("llama.attention.head_count_kv", 3)), StatusCode::kModelCorrupt,
              "divide");
  GgufBytes rope = Minimal();
  ExpectError(Read(rope.U32("llama.rope.dimension_count", 9)), StatusCode::kModelCorrupt,
              "rotated");
  GgufBytes rows = Minimal();
  ExpectError(Read(rows.Tensor("token_embd.weight", {32, 99}, 0, 0), 32 * 99 * 4),
              StatusCode::kModelCorrupt, "token_embd");
}

}  // namespace
}  // namespace thermocline
