#include "io/gguf_reader.h"

#include <algorithm>

#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::Fixture;
using testing::GgufBytes;
using testing::ReadBytes;
using testing::TempFolder;

Status Open(const std::string& bytes, OpenPurpose purpose = OpenPurpose::kLoad) {
  const TempFolder folder;
  return OpenModelFile(folder.Write("m.gguf", bytes), purpose).status();
}

bool Mentions(const Status& status, const std::string& word) {
  return status.message().find(word) != std::string::npos;
}

TEST(Gguf, ReadsEveryWeightType) {
  for (const auto& [name, type] :
       {std::pair{"llama-f32", DType::kF32}, std::pair{"llama-f16", DType::kF16},
        std::pair{"llama-bf16", DType::kBF16}, std::pair{"llama-q8_0", DType::kQ8_0},
        std::pair{"llama-q4_0", DType::kQ4_0}, std::pair{"opt-f16", DType::kF16},
        std::pair{"llama-v2", DType::kF32}}) {
    const auto file = OpenModelFile(Fixture(std::string(name) + ".gguf"));
    ASSERT_OK(file);
    const TensorInfo* up = (*file)->Find("blk.0.ffn_up.weight");
    ASSERT_TRUE(up != nullptr);
    EXPECT_TRUE(up->type == type);
    EXPECT_EQ(std::string(up->type_name), DTypeName(type));
    EXPECT_EQ(up->shape.size(), 2U);
    EXPECT_EQ(up->shape[1], 32);
    EXPECT_EQ(static_cast<int64_t>(up->bytes),
              up->elements() / BlockElements(type) * BlockBytes(type));
    EXPECT_OK((*file)->hyperparameters());
    EXPECT_OK((*file)->vocabulary());
    EXPECT_OK((*file)->Fingerprint());
    EXPECT_TRUE(std::is_sorted(
        (*file)->tensors().begin(), (*file)->tensors().end(),
        [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; }));
    std::vector<std::byte> data(up->bytes);
    EXPECT_OK((*file)->Read(*up, 0, data));
    EXPECT_STATUS((*file)->Read(*up, 1, data), StatusCode::kInvalidArgument);
    EXPECT_STATUS((*file)->Read(*up, UINT64_MAX, data), StatusCode::kInvalidArgument);
  }
}

TEST(Gguf, LlamaHyperparameters) {
  const auto file = OpenModelFile(Fixture("llama-q8_0.gguf"));
  ASSERT_OK(file);
  const auto hp = (*file)->hyperparameters();
  ASSERT_OK(hp);
  EXPECT_EQ(hp->arch, "llama");
  EXPECT_EQ(hp->name, "tiny llama");
  EXPECT_EQ(hp->layers, 1);
  EXPECT_EQ(hp->d_model, 32);
  EXPECT_TRUE(hp->n_ff == std::vector<int64_t>{32});
  EXPECT_EQ(hp->heads, 2);
  EXPECT_EQ(hp->kv_heads, 1);
  EXPECT_EQ(hp->head_dim, 16);
  EXPECT_EQ(hp->vocab, 269);
  EXPECT_EQ(hp->context, 64);
  EXPECT_EQ(hp->context_source, "llama.context_length");
  EXPECT_EQ(hp->activation, "relu");
  EXPECT_EQ(hp->activation_source, "llama.hidden_act");
  EXPECT_EQ(hp->rope_dim, 16);
}

TEST(Gguf, OptHyperparameters) {
  const auto file = OpenModelFile(Fixture("opt-f16.gguf"));
  ASSERT_OK(file);
  const auto hp = (*file)->hyperparameters();
  ASSERT_OK(hp);
  EXPECT_EQ(hp->position_offset, 2);
  EXPECT_EQ(hp->kv_heads, 2);
  EXPECT_TRUE(hp->n_ff == std::vector<int64_t>{64});
  EXPECT_EQ(hp->activation, "relu");
  EXPECT_EQ(hp->activation_source, "default of opt");
}

TEST(Gguf, Vocabularies) {
  const auto spm = OpenModelFile(Fixture("vocab-spm.gguf"));
  ASSERT_OK(spm);
  const auto a = (*spm)->vocabulary();
  ASSERT_OK(a);
  EXPECT_TRUE(a->kind == VocabularyData::Kind::kSentencePiece);
  EXPECT_EQ(a->scores.size(), a->tokens.size());
  EXPECT_EQ(a->bos, 1);
  EXPECT_EQ(a->eos, 2);
  EXPECT_EQ(a->unk, 0);
  EXPECT_EQ(a->pad, -1);
  EXPECT_TRUE(a->types[3] == VocabularyData::TokenType::kByte);
  EXPECT_TRUE(a->add_bos);
  EXPECT_FALSE(a->chat_template.empty());
  const auto bpe = OpenModelFile(Fixture("vocab-bpe.gguf"));
  ASSERT_OK(bpe);
  const auto b = (*bpe)->vocabulary();
  ASSERT_OK(b);
  EXPECT_TRUE(b->kind == VocabularyData::Kind::kBpe);
  EXPECT_EQ(b->merges.size(), 12U);
  EXPECT_EQ(b->merges[0], "\xC4\xA0 t");
  EXPECT_STATUS((*bpe)->hyperparameters(), StatusCode::kModelUnsupported);
}

TEST(Gguf, MetadataOfEveryType) {
  const auto file = OpenModelFile(Fixture("vocab-bpe.gguf"));
  ASSERT_OK(file);
  const auto metadata = (*file)->metadata();
  ASSERT_OK(metadata);
  const auto text = [&](const std::string& key) {
    for (const auto& entry : *metadata) {
      if (entry.key == key) return entry.type + "=" + entry.text;
    }
    return std::string("absent");
  };
  EXPECT_EQ(text("test.u8"), "u8=200");
  EXPECT_EQ(text("test.i8"), "i8=-100");
  EXPECT_EQ(text("test.i16"), "i16=-30000");
  EXPECT_EQ(text("test.u32"), "u32=4000000000");
  EXPECT_EQ(text("test.f32"), "f32=0.5");
  EXPECT_EQ(text("test.bool"), "bool=true");
  EXPECT_EQ(text("test.string"), "string=Gru\xC3\x9F");
  EXPECT_EQ(text("test.u64"), "u64=9223372036854775808");
  EXPECT_EQ(text("test.floats"), "array of f32 (9)=0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...");
  EXPECT_EQ(text("test.nested").substr(0, 18), "array of array (3)");
}

TEST(Gguf, UnreadTypesAreNamedAndCanBeInspected) {
  const auto loaded = OpenModelFile(Fixture("unread-type.gguf"));
  EXPECT_STATUS(loaded, StatusCode::kWeightTypeUnsupported);
  EXPECT_TRUE(Mentions(loaded.status(), "Q3_K"));
  EXPECT_TRUE(Mentions(loaded.status(), "token_embd.weight"));
  const auto file = OpenModelFile(Fixture("unread-type.gguf"), OpenPurpose::kInspect);
  ASSERT_OK(file);
  const TensorInfo* tensor = (*file)->Find("token_embd.weight");
  ASSERT_TRUE(tensor != nullptr);
  EXPECT_FALSE(tensor->readable);
  EXPECT_EQ(std::string(tensor->type_name), "Q3_K");
  EXPECT_EQ(tensor->bytes, 440U);
}

TEST(Gguf, ForeignFilesAreExplained) {
  const std::pair<const char*, const char*> cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"},
      {"PWRI\x03", "PowerInfer"},
      {"PK\x03\x04....", "zip"},
      {"\x80\x02}q", "pickle"},
      {"FUGG", "big-endian"},
      {"lmgg....", "GGML"},
      {"", "empty"},
      {"hello", "hell"},
  };
  for (const auto& [bytes, word] : cases) {
    const Status status = Open(bytes);
    EXPECT_STATUS(status, StatusCode::kModelUnsupported);
    if (!Mentions(status, word)) EXPECT_EQ(status.message(), std::string(word));
  }
  EXPECT_STATUS(OpenModelFile("/nowhere/at/all.gguf"), StatusCode::kFileNotFound);
}

TEST(Gguf, VersionsAndSplits) {
  for (const uint32_t version : {0U, 1U, 4U, 0x03000000U}) {
    GgufBytes bytes;
    bytes.version = version;
    const Status status = Open(bytes.Build());
    EXPECT_STATUS(status, StatusCode::kModelUnsupported);
    EXPECT_TRUE(Mentions(status, version > 9 ? "big-endian" : std::to_string(version)));
  }
  const Status split = Open(GgufBytes().Number<uint16_t>("split.count", 2, 3).Build());
  EXPECT_STATUS(split, StatusCode::kModelUnsupported);
  EXPECT_TRUE(Mentions(split, "merge"));
  EXPECT_OK(Open(GgufBytes().Number<uint16_t>("split.count", 2, 1).Build()));
}

TEST(Gguf, DamagedHeaders) {
  const auto corrupt = [](const std::string& bytes, const char* word) {
    const Status status = Open(bytes);
    EXPECT_STATUS(status, StatusCode::kModelCorrupt);
    if (!Mentions(status, word)) EXPECT_EQ(status.message(), std::string(word));
  };
  GgufBytes many;
  many.n_keys = UINT64_MAX;
  corrupt(many.Build(), "keys");
  GgufBytes many_tensors;
  many_tensors.n_tensors = 1ULL << 60;
  corrupt(many_tensors.Build(), "tensors");
  corrupt(GgufBytes().U32("a", 1).U32("a", 2).Build(), "twice");
  corrupt(GgufBytes().Raw("a", 13, "    ").Build(), "unknown value type");
  corrupt(GgufBytes().Raw("", 4, "    ").Build(), "name");
  corrupt(GgufBytes().Raw("\xFF", 4, "    ").Build(), "UTF-8");
  std::string huge_array;
  testing::AppendRaw<uint32_t>(huge_array, 10);
  testing::AppendRaw<uint64_t>(huge_array, 1ULL << 61);  // times 8 bytes: 0
  corrupt(GgufBytes().Raw("a", 9, huge_array).Build(), "longer");
  std::string nested;
  for (int i = 0; i < 40; ++i) {
    testing::AppendRaw<uint32_t>(nested, 9);
    testing::AppendRaw<uint64_t>(nested, 1);
  }
  corrupt(GgufBytes().Raw("a", 9, nested + std::string(16, '\0')).Build(), "deep");
  corrupt(GgufBytes().U32("general.alignment", 0).Build(), "alignment");
  corrupt(GgufBytes().U32("general.alignment", 48).Build(), "alignment");
  corrupt(GgufBytes().U32("general.alignment", 1U << 31).Build(), "alignment");
  corrupt(GgufBytes().F32("general.alignment", 32).Build(), "f32");
}

TEST(Gguf, DamagedTensors) {
  const auto corrupt = [](const GgufBytes& bytes, size_t data, const char* word) {
    const Status status = Open(bytes.Build(data));
    EXPECT_STATUS(status, StatusCode::kModelCorrupt);
    if (!Mentions(status, word)) EXPECT_EQ(status.message(), std::string(word));
  };
  EXPECT_OK(Open(GgufBytes().Tensor("a", {8}, 0, 0).Build(32)));
  EXPECT_OK(Open(GgufBytes().Tensor("a", {8}, 0, 0).Tensor("b", {8}, 0, 32).Build(64)));
  corrupt(GgufBytes().Tensor("a", {8}, 0, 0), 31, "past the end");
  corrupt(GgufBytes().Tensor("a", {8}, 0, 32), 32, "past the end");
  corrupt(GgufBytes().Tensor("a", {8}, 0, UINT64_MAX - 31), 32, "past the end");
  corrupt(GgufBytes().Tensor("a", {8}, 0, 8), 64, "aligned");
  corrupt(GgufBytes().Tensor("a", {}, 0, 0).Tensor("b", {8}, 0, 0), 64, "dimensions");
  corrupt(GgufBytes().Tensor("a", {1, 1, 1, 1, 1}, 0, 0), 64, "dimensions");
  corrupt(GgufBytes().Tensor("a", {8, 0}, 0, 0), 64, "dimension of 0");
  corrupt(GgufBytes().Tensor("a", {1ULL << 32, 1ULL << 32}, 0, 0), 64, "too many");
  corrupt(GgufBytes().Tensor("a", {UINT64_MAX}, 0, 0), 64, "too many");
  corrupt(GgufBytes().Tensor("a", {33}, 8, 0), 64, "blocks");
  corrupt(GgufBytes().Tensor("a", {8}, 0, 0).Tensor("a", {8}, 0, 32), 64, "twice");
  corrupt(GgufBytes().Tensor("a", {16}, 0, 0).Tensor("b", {8}, 0, 32), 64, "overlap");
  corrupt(GgufBytes().Tensor("a", {8}, 0, 0).Tensor("b", {8}, 0, 0), 64, "overlap");
  EXPECT_STATUS(Open(GgufBytes().Tensor("a", {8}, 99, 0).Build(64)),
                StatusCode::kWeightTypeUnsupported);
  EXPECT_OK(Open(GgufBytes().Tensor("a", {8}, 99, 0).Build(64), OpenPurpose::kInspect));
}

TEST(Gguf, EveryTruncationIsAnError) {
  for (const char* name : {"llama-q4_0.gguf", "vocab-spm.gguf", "vocab-bpe.gguf"}) {
    const std::string bytes = ReadBytes(Fixture(name));
    const TempFolder folder;
    // Behind the header only the weights follow, where every length fails alike.
    const size_t n = std::min<size_t>(bytes.size() - 1, 9000);
    for (size_t length = 0; length <= n; length += testing::Stride(7)) {
      const auto file = OpenModelFile(folder.Write("m.gguf", bytes.substr(0, length)));
      if (file.ok()) EXPECT_EQ(length, bytes.size());
    }
    EXPECT_FALSE(Open(bytes.substr(0, bytes.size() - 33)).ok());
  }
}

TEST(Gguf, BitFlipsNeverCrash) {
  const std::string sound = ReadBytes(Fixture("vocab-spm.gguf"));
  const TempFolder folder;
  for (size_t bit = 0; bit < 8 * sound.size(); bit += 13) {
    std::string bytes = sound;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const auto file = OpenModelFile(folder.Write("m.gguf", bytes));
    if (!file.ok()) continue;
    (void)(*file)->vocabulary();
    (void)(*file)->metadata();
  }
}

}  // namespace
}  // namespace thermocline
