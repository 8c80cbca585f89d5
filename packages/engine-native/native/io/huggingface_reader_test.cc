#include "io/huggingface_reader.h"

#include <filesystem>

#include "io/tensor_names.h"
#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

namespace fs = std::filesystem;
using testing::Fixture;
using testing::ReadBytes;
using testing::TempFolder;

// A copy of a fixture folder in which one text of one file is replaced.
class Copy {
 public:
  explicit Copy(const std::string& fixture) {
    for (const auto& entry : fs::directory_iterator(Fixture(fixture))) {
      fs::copy_file(entry.path(), folder_.path() + "/" + entry.path().filename().string());
    }
  }
  Copy& Replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = ReadBytes(folder_.path() + "/" + file);
    const size_t at = text.find(from);
    EXPECT_TRUE(at != std::string::npos);
    if (at != std::string::npos) text.replace(at, from.size(), to);
    folder_.Write(file, text);
    return *this;
  }
  Copy& Remove(const std::string& file) {
    fs::remove(folder_.path() + "/" + file);
    return *this;
  }
  const TempFolder& folder() const { return folder_; }
  const std::string& path() const { return folder_.path(); }
  Result<std::unique_ptr<ModelFile>> Open(OpenPurpose purpose = OpenPurpose::kLoad) const {
    return OpenModelFile(path(), purpose);
  }
  Status Hyper() const {
    auto file = Open();
    return file.ok() ? (*file)->hyperparameters().status() : file.status();
  }
  Status Vocabulary() const {
    auto file = Open();
    return file.ok() ? (*file)->vocabulary().status() : file.status();
  }

 private:
  TempFolder folder_;
};

TEST(HuggingFace, Llama) {
  const auto file = OpenModelFile(Fixture("hf-llama"));
  ASSERT_OK(file);
  EXPECT_EQ(std::string((*file)->container()), "huggingface");
  EXPECT_EQ((*file)->tensors().size(), 12U);
  EXPECT_TRUE((*file)->Find("blk.0.attn_q.weight") != nullptr);
  EXPECT_TRUE((*file)->Find("output.weight") != nullptr);
  const auto hp = (*file)->hyperparameters();
  ASSERT_OK(hp);
  EXPECT_EQ(hp->name, "hf-llama");
  EXPECT_EQ(hp->activation, "relu");
  EXPECT_EQ(hp->activation_source, "hidden_act");
  EXPECT_TRUE(hp->rope_layout == RopeLayout::kHalfSplit);
  const auto vocabulary = (*file)->vocabulary();
  ASSERT_OK(vocabulary);
  EXPECT_EQ(vocabulary->pre_tokenizer, "gpt-2");
  EXPECT_EQ(vocabulary->bos, 0);
  EXPECT_EQ(vocabulary->eos, 0);
  EXPECT_EQ(vocabulary->eot, 5);
  EXPECT_EQ(vocabulary->chat_template, "{{ x }}");
  EXPECT_TRUE(vocabulary->types[0] == VocabularyData::TokenType::kControl);
  EXPECT_OK((*file)->metadata());
  EXPECT_OK((*file)->Fingerprint());
  EXPECT_OK(OpenModelFile(Fixture("hf-llama") + "/model.safetensors"));
}

TEST(HuggingFace, ShardedOpt) {
  const auto file = OpenModelFile(Fixture("hf-opt"));
  ASSERT_OK(file);
  EXPECT_EQ((*file)->paths().size(), 2U);
  const TensorInfo* last = (*file)->Find("output_norm.bias");
  ASSERT_TRUE(last != nullptr);
  EXPECT_EQ(last->shard, 1U);
  std::vector<std::byte> data(last->bytes);
  EXPECT_OK((*file)->Read(*last, 0, data));
  const auto hp = (*file)->hyperparameters();
  ASSERT_OK(hp);
  EXPECT_EQ(hp->position_offset, 2);
  EXPECT_TRUE((*file)->Find("output.weight") == nullptr);  // tied
}

// The same pieces as a GGUF and as a Llama-2 style tokenizer.json.
TEST(HuggingFace, SentencePieceTokenizerJson) {
  const auto folder = OpenModelFile(Fixture("hf-opt"));
  const auto gguf = OpenModelFile(Fixture("vocab-spm.gguf"));
  ASSERT_OK(folder);
  ASSERT_OK(gguf);
  const auto a = (*folder)->vocabulary();
  const auto b = (*gguf)->vocabulary();
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_TRUE(a->kind == VocabularyData::Kind::kSentencePiece);
  EXPECT_TRUE(a->tokens == b->tokens);
  EXPECT_TRUE(a->types == b->types);
  EXPECT_TRUE(a->add_space_prefix && a->has_add_bos && a->add_bos && !a->add_eos);
  EXPECT_EQ(a->bos, 1);
  EXPECT_EQ(a->eos, 2);
  EXPECT_EQ(a->unk, 0);
  EXPECT_EQ(a->chat_template, "{{ messages }}");
  // Scores differ in value; what counts is which of two pieces is better.
  for (size_t i = 0; i < a->tokens.size(); ++i) {
    for (size_t j = 0; j < a->tokens.size(); ++j) {
      const bool merged = a->tokens[i].size() > 3 && a->tokens[j].size() > 3;
      const bool normal = a->types[i] == VocabularyData::TokenType::kNormal &&
                          a->types[j] == VocabularyData::TokenType::kNormal;
      if (merged && normal) EXPECT_EQ(a->scores[i] < a->scores[j], b->scores[i] < b->scores[j]);
    }
  }
}

TEST(HuggingFace, MergesThatAreNotSentencePiece) {
  const auto unsupported = StatusCode::kTokenizerUnsupported;
  EXPECT_STATUS(Copy("hf-opt").Replace("tokenizer.json", R"(["h","e"],)", "").Vocabulary(),
                unsupported);
  EXPECT_STATUS(
      Copy("hf-opt").Replace("tokenizer.json", R"("prepend":"▁")", R"("prepend":"x")").Vocabulary(),
      unsupported);
  EXPECT_STATUS(
      Copy("hf-opt").Replace("tokenizer.json", R"("type":"BPE")", R"("type":"Unigram")").Vocabulary(),
      unsupported);
}

TEST(HuggingFace, UnknownPreTokenizersAreDescribed) {
  Copy copy("hf-llama");
  copy.Replace("tokenizer.json", "ByteLevel", "Whitespace");
  const auto file = copy.Open();
  ASSERT_OK(file);
  const auto vocabulary = (*file)->vocabulary();
  ASSERT_OK(vocabulary);
  EXPECT_EQ(vocabulary->pre_tokenizer, "");
  EXPECT_EQ(vocabulary->unknown_pre_tokenizer, "Whitespace");
}

TEST(HuggingFace, ShardNamesStayInTheFolder) {
  const std::string name = "model-00002-of-00002.safetensors";
  for (const char* bad : {"../model.safetensors", "/dev/zero.safetensors", "a/b.safetensors",
                          "..\\\\x.safetensors", ".hidden.safetensors", "weights.bin", "",
                          "a\\u0000.safetensors"}) {
    Copy copy("hf-opt");
    copy.Replace("model.safetensors.index.json", name, bad);
    const auto file = copy.Open();
    EXPECT_STATUS(file, StatusCode::kModelCorrupt);
    EXPECT_TRUE(file.status().message().find("shard name") != std::string::npos);
  }
  EXPECT_STATUS(Copy("hf-opt").Remove(name).Open(), StatusCode::kFileNotFound);
  EXPECT_STATUS(Copy("hf-opt")
                    .Replace("model.safetensors.index.json", "final_layer_norm.bias", "norm.bias")
                    .Open(),
                StatusCode::kOk);  // a name we do not know is not ours to miss
  EXPECT_STATUS(
      Copy("hf-opt").Replace("model.safetensors.index.json", "layers.0.fc1", "layers.7.fc1").Open(),
      StatusCode::kModelCorrupt);
}

TEST(HuggingFace, ConfigurationsWeDoNotRun) {
  const auto config = [](const std::string& from, const std::string& to) {
    return Copy("hf-llama").Replace("config.json", from, to).Hyper();
  };
  const auto unsupported = StatusCode::kModelUnsupported;
  const auto corrupt = StatusCode::kModelCorrupt;
  EXPECT_STATUS(config(R"("model_type":"llama")", R"("model_type":"qwen2")"), unsupported);
  EXPECT_STATUS(config(R"("model_type":"llama")", R"("model_type":"mistral")"), StatusCode::kOk);
  EXPECT_STATUS(config(R"("model_type":"llama")", R"("sliding_window":16,"model_type":"mistral")"),
                unsupported);
  EXPECT_STATUS(config(R"("rope_scaling":null)", R"("rope_scaling":{"rope_type":"llama3"})"),
                unsupported);
  EXPECT_STATUS(config(R"("rope_scaling":null)", R"("rope_scaling":{"type":"linear","factor":2})"),
                StatusCode::kOk);
  EXPECT_STATUS(config(R"("hidden_act":"relu")", R"("hidden_act":"mish")"), unsupported);
  EXPECT_STATUS(config(R"("hidden_size":32)", R"("hidden_sizes":32)"), corrupt);
  EXPECT_STATUS(config(R"("hidden_size":32)", R"("hidden_size":33)"), corrupt);
  EXPECT_STATUS(config(R"("num_hidden_layers":1)", R"("num_hidden_layers":1e9)"), corrupt);
  EXPECT_STATUS(config(R"("num_attention_heads":2)", R"("num_attention_heads":0)"), corrupt);
  EXPECT_STATUS(config(R"("tie_word_embeddings":false)",
                       R"("quantization_config":{"quant_method":"gptq"})"),
                StatusCode::kWeightTypeUnsupported);
  EXPECT_STATUS(Copy("hf-llama").Remove("config.json").Open(), unsupported);
  EXPECT_STATUS(Copy("hf-llama").Remove("model.safetensors").Open(), StatusCode::kFileNotFound);
  EXPECT_STATUS(Copy("hf-llama").Remove("tokenizer.json").Vocabulary(),
                StatusCode::kTokenizerUnsupported);
  EXPECT_STATUS(Copy("hf-llama").Replace("model.safetensors", "mlp.up_proj", "mlp.xp_proj").Open(),
                unsupported);
  EXPECT_OK(Copy("hf-llama")
                .Replace("model.safetensors", "mlp.up_proj", "mlp.xp_proj")
                .Open(OpenPurpose::kInspect));
  EXPECT_STATUS(Copy("hf-llama").Replace("model.safetensors", "lm_head.weight", "model.x.weight")
                    .Open(),
                unsupported);
}

TEST(HuggingFace, TruncatedFilesAreErrors) {
  for (const char* name : {"config.json", "tokenizer.json"}) {
    const std::string sound = ReadBytes(Fixture("hf-llama") + "/" + name);
    const Copy copy("hf-llama");
    for (size_t n = 0; n < sound.size(); ++n) {
      copy.folder().Write(name, sound.substr(0, n));
      EXPECT_STATUS(copy.Vocabulary(), StatusCode::kModelCorrupt);
    }
  }
}

TEST(TensorNames, HuggingFaceToCanonical) {
  const auto llama = [](const char* name) {
    return CanonicalTensorName("llama", name).value_or("?");
  };
  EXPECT_EQ(llama("model.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(llama("model.layers.12.self_attn.o_proj.weight"), "blk.12.attn_output.weight");
  EXPECT_EQ(llama("model.layers.3.self_attn.q_proj.bias"), "blk.3.attn_q.bias");
  EXPECT_EQ(llama("lm_head.weight"), "output.weight");
  EXPECT_EQ(llama("model.layers.0.self_attn.rotary_emb.inv_freq"), "");
  EXPECT_EQ(llama("model.layers.01.mlp.up_proj.weight"), "?");
  EXPECT_EQ(llama("model.layers..mlp.up_proj.weight"), "?");
  EXPECT_EQ(llama("model.layers.0.self_attn.q_norm.weight"), "?");
  EXPECT_EQ(llama("x"), "?");
  EXPECT_EQ(CanonicalTensorName("opt", "decoder.layers.1.fc2.bias").value_or("?"),
            "blk.1.ffn_down.bias");
  EXPECT_EQ(CanonicalTensorName("opt", "model.decoder.final_layer_norm.bias").value_or("?"),
            "output_norm.bias");
}

}  // namespace
}  // namespace thermocline
