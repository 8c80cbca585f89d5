// The two demo models, each as a GGUF file and as a Hugging Face folder: both ways of
// reading must give one model.
#include <bit>
#include <cstring>
#include <vector>

#include "io/model_file.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::DataFile;

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 31U;
  const uint32_t mantissa = half & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

std::vector<float> ReadFloats(const ModelFile& file, const TensorInfo& tensor) {
  std::vector<std::byte> raw(static_cast<size_t>(tensor.bytes));
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  EXPECT_OK(file.Read(tensor, 0, raw));
  for (size_t i = 0; i < values.size(); ++i) {
    if (tensor.type == DType::kF32) {
      std::memcpy(&values[i], raw.data() + 4 * i, 4);
    } else {
      uint16_t half = 0;
      std::memcpy(&half, raw.data() + 2 * i, 2);
      values[i] = HalfToFloat(half);
    }
  }
  return values;
}

// The row of the Hugging Face matrix that a GGUF converter puts at `row`: it turns
// the two halves of each head into interleaved pairs.
int64_t SourceRow(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim;
  const int64_t within = row % head_dim;
  return head * head_dim + (within % 2) * (head_dim / 2) + within / 2;
}

bool IsRotated(const std::string& name, const Hyperparameters& hp) {
  return hp.arch == "llama" && (name.find("attn_q.") != std::string::npos ||
                                name.find("attn_k.") != std::string::npos);
}

void ExpectSameModel(const std::string& gguf_path, const std::string& folder) {
  if (gguf_path.empty() || folder.empty()) SKIP("the test data is not there");
  const auto gguf = OpenModelFile(gguf_path);
  const auto hf = OpenModelFile(folder);
  ASSERT_OK(gguf);
  ASSERT_OK(hf);
  const ModelFile& a = **gguf;
  const ModelFile& b = **hf;
  const auto hp_a = a.hyperparameters();
  const auto hp_b = b.hyperparameters();
  ASSERT_OK(hp_a);
  ASSERT_OK(hp_b);
  EXPECT_EQ(hp_a->arch, hp_b->arch);
  EXPECT_EQ(hp_a->layers, hp_b->layers);
  EXPECT_EQ(hp_a->d_model, hp_b->d_model);
  EXPECT_TRUE(hp_a->n_ff == hp_b->n_ff);
  EXPECT_EQ(hp_a->heads, hp_b->heads);
  EXPECT_EQ(hp_a->kv_heads, hp_b->kv_heads);
  EXPECT_EQ(hp_a->head_dim, hp_b->head_dim);
  EXPECT_EQ(hp_a->vocab, hp_b->vocab);
  EXPECT_EQ(hp_a->context, hp_b->context);
  EXPECT_EQ(hp_a->activation, hp_b->activation);
  EXPECT_EQ(hp_a->position_offset, hp_b->position_offset);
  EXPECT_EQ(hp_a->norm_epsilon, hp_b->norm_epsilon);
  EXPECT_EQ(hp_a->rope_theta, hp_b->rope_theta);
  EXPECT_EQ(hp_a->rope_scale, hp_b->rope_scale);
  EXPECT_EQ(hp_a->rope_dim, hp_b->rope_dim);
  if (hp_a->arch == "llama") {
    EXPECT_TRUE(hp_a->rope_layout == RopeLayout::kInterleaved);
    EXPECT_TRUE(hp_b->rope_layout == RopeLayout::kHalfSplit);
  }

  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (size_t t = 0; t < a.tensors().size(); ++t) {
    const TensorInfo& ta = a.tensors()[t];
    const TensorInfo& tb = b.tensors()[t];
    ASSERT_EQ(ta.name, tb.name);
    ASSERT_TRUE(ta.shape == tb.shape);
    const auto va = ReadFloats(a, ta);
    const auto vb = ReadFloats(b, tb);
    const bool rotated = IsRotated(ta.name, *hp_a);
    const int64_t cols = ta.shape.back();
    int64_t n_different = 0;
    for (int64_t i = 0; i < ta.elements(); ++i) {
      const int64_t row = rotated ? SourceRow(i / cols, hp_a->head_dim) : i / cols;
      const auto j = static_cast<size_t>(row * cols + i % cols);
      if (va[static_cast<size_t>(i)] != vb[j]) ++n_different;
    }
    EXPECT_EQ(n_different, 0);
  }

  const auto vocab_a = a.vocabulary();
  const auto vocab_b = b.vocabulary();
  ASSERT_OK(vocab_a);
  ASSERT_OK(vocab_b);
  EXPECT_TRUE(vocab_a->kind == VocabularyData::Kind::kBpe);
  EXPECT_TRUE(vocab_b->kind == VocabularyData::Kind::kBpe);
  EXPECT_EQ(vocab_a->pre_tokenizer, "gpt-2");
  EXPECT_EQ(vocab_b->pre_tokenizer, "gpt-2");
  EXPECT_TRUE(vocab_a->tokens == vocab_b->tokens);
  EXPECT_TRUE(vocab_a->types == vocab_b->types);
  EXPECT_TRUE(vocab_a->merges == vocab_b->merges);
  EXPECT_EQ(vocab_a->bos, vocab_b->bos);
  EXPECT_EQ(vocab_a->eos, vocab_b->eos);
  EXPECT_TRUE(vocab_a->has_add_bos && vocab_a->add_bos);
  EXPECT_TRUE(vocab_b->has_add_bos && vocab_b->add_bos);
  EXPECT_EQ(vocab_a->add_eos, vocab_b->add_eos);

  const auto print_a = a.Fingerprint();
  const auto print_b = b.Fingerprint();
  ASSERT_OK(print_a);
  ASSERT_OK(print_b);
  EXPECT_EQ(print_a->size(), 64U);
  EXPECT_NE(*print_a, *print_b);  // the norms have another type there
}

TEST(DemoModels, LlamaAgrees) {
  ExpectSameModel(DataFile("demo-model/Llama-ReGLU-Stories-8M-f16.gguf"),
                  DataFile("demo-model/hf"));
}

TEST(DemoModels, OptAgrees) {
  ExpectSameModel(DataFile("demo-model/opt/Llama-OPT-Stories-1M-f16.gguf"),
                  DataFile("demo-model/opt/hf"));
}

TEST(DemoModels, SwigluAgrees) {
  ExpectSameModel(DataFile("swiglu-model/Llama-SwiGLU-Stories-8M-f16.gguf"),
                  DataFile("swiglu-model/hf"));
}

TEST(DemoModels, VocabularyOnlyFilesOpen) {
  for (const char* name : {"deepseek-llm", "falcon", "gpt-2", "llama-bpe", "llama-spm", "mpt",
                           "phi-3", "qwen2", "refact", "starcoder"}) {
    const std::string path = DataFile("tokenizers/ggml-vocab-" + std::string(name) + ".gguf");
    if (path.empty()) SKIP("the test data is not there");
    const auto file = OpenModelFile(path);
    ASSERT_OK(file);
    EXPECT_TRUE((*file)->tensors().empty());
    const auto vocabulary = (*file)->vocabulary();
    ASSERT_OK(vocabulary);
    EXPECT_GT(vocabulary->tokens.size(), 30000U);
    EXPECT_OK((*file)->metadata());
  }
}

}  // namespace
}  // namespace thermocline
