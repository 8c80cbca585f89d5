#include "model/tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "util/f16.h"

namespace thermocline {
namespace {

enum GgufValue : uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

uint32_t GgmlType(DType type) {
  switch (type) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ8_0: return 8;
    case DType::kQ4_K: return 12;
    case DType::kQ5_K: return 13;
    case DType::kQ6_K: return 14;
    case DType::kBF16: return 30;
  }
  return 0;
}

// Exact for the values used here: normal, in range of F16.
uint16_t ToF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000;
  const int32_t exponent = static_cast<int32_t>(bits >> 23 & 0xFF) - 112;
  if (exponent <= 0) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | (static_cast<uint32_t>(exponent) << 10) |
                               (bits >> 13 & 0x3FF));
}

class GgufWriter {
 public:
  void Key(const std::string& key, uint32_t value_type) {
    String(metadata_, key);
    Put(metadata_, value_type);
    ++n_keys_;
  }
  void Text(const std::string& key, const std::string& value) {
    Key(key, kString);
    String(metadata_, value);
  }
  void Count(const std::string& key, int64_t value) {
    Key(key, kUint32);
    Put(metadata_, static_cast<uint32_t>(value));
  }
  void Number(const std::string& key, float value) {
    Key(key, kFloat32);
    Put(metadata_, value);
  }
  void Flag(const std::string& key, bool value) {
    Key(key, kBool);
    Put(metadata_, static_cast<uint8_t>(value));
  }
  void Texts(const std::string& key, const std::vector<std::string>& values) {
    Key(key, kArray);
    Put(metadata_, static_cast<uint32_t>(kString));
    Put(metadata_, static_cast<uint64_t>(values.size()));
    for (const std::string& value : values) String(metadata_, value);
  }
  void Integers(const std::string& key, const std::vector<int32_t>& values) {
    Key(key, kArray);
    Put(metadata_, static_cast<uint32_t>(kInt32));
    Put(metadata_, static_cast<uint64_t>(values.size()));
    for (const int32_t value : values) Put(metadata_, value);
  }

  // shape: outermost first.
  void Tensor(const std::string& name, DType type, std::vector<int64_t> shape,
              const std::vector<char>& data) {
    String(tensors_, name);
    Put(tensors_, static_cast<uint32_t>(shape.size()));
    for (auto it = shape.rbegin(); it != shape.rend(); ++it) {
      Put(tensors_, static_cast<uint64_t>(*it));
    }
    Put(tensors_, GgmlType(type));
    Put(tensors_, static_cast<uint64_t>(data_.size()));
    data_.insert(data_.end(), data.begin(), data.end());
    data_.resize((data_.size() + 31) / 32 * 32);
    ++n_tensors_;
  }

  Status Write(const std::string& path) {
    std::vector<char> head;
    head.insert(head.end(), {'G', 'G', 'U', 'F'});
    Put(head, uint32_t{3});
    Put(head, n_tensors_);
    Put(head, n_keys_);
    head.insert(head.end(), metadata_.begin(), metadata_.end());
    head.insert(head.end(), tensors_.begin(), tensors_.end());
    head.resize((head.size() + 31) / 32 * 32);
    std::ofstream file(path, std::ios::binary);
    file.write(head.data(), static_cast<std::streamsize>(head.size()));
    file.write(data_.data(), static_cast<std::streamsize>(data_.size()));
    if (!file.flush()) return Status(StatusCode::kIo, "cannot write the test model", path);
    return Status::Ok();
  }

 private:
  template <typename T>
  static void Put(std::vector<char>& out, T value) {
    const char* bytes = reinterpret_cast<const char*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof value);
  }
  static void String(std::vector<char>& out, const std::string& text) {
    Put(out, static_cast<uint64_t>(text.size()));
    out.insert(out.end(), text.begin(), text.end());
  }

  std::vector<char> metadata_, tensors_, data_;
  uint64_t n_keys_ = 0, n_tensors_ = 0;
};

// Values in [-range, range), the same for a seed on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  float Next(float range) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (static_cast<float>(state_ >> 40) * 0x1.0p-23F - 1.0F) * range;
  }

 private:
  uint64_t state_;
};

// Any bits are valid quants and scales of a superblock. `deviation` is that of the weights; with this
// dmin they have a mean of zero.
std::vector<char> RandomSuperblock(DType type, float deviation, Random& random) {
  std::vector<char> block;
  for (int64_t b = 0; b < BlockBytes(type); ++b) {
    block.push_back(static_cast<char>(static_cast<uint8_t>(random.Next(127.0F) + 128.0F)));
  }
  const float zero = type == DType::kQ4_K ? 7.5F : 15.5F;
  const float unit = type == DType::kQ4_K ? 258.0F : type == DType::kQ5_K ? 527.0F : 1366.0F;
  const uint16_t d = F32ToF16(deviation / unit), dmin = F32ToF16(deviation / unit * zero);
  std::memcpy(block.data() + (type == DType::kQ6_K ? 208 : 0), &d, sizeof d);
  if (type != DType::kQ6_K) std::memcpy(block.data() + 2, &dmin, sizeof dmin);
  return block;
}

// Random blocks written directly: any bits are valid quants.
std::vector<char> RandomMatrix(DType type, int64_t rows, int64_t cols, Random& random) {
  const float range = std::sqrt(3.0F / static_cast<float>(cols));
  std::vector<char> data;
  const auto put = [&data](const void* value, size_t n) {
    const char* bytes = static_cast<const char*>(value);
    data.insert(data.end(), bytes, bytes + n);
  };
  for (int64_t i = 0; i < rows * cols / BlockElements(type); ++i) {
    const float value = random.Next(range);
    switch (type) {
      case DType::kF32: put(&value, 4); break;
      case DType::kF16: {
        const uint16_t half = ToF16(value);
        put(&half, 2);
        break;
      }
      case DType::kBF16: {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        const auto half = static_cast<uint16_t>(bits >> 16);
        put(&half, 2);
        break;
      }
      case DType::kQ8_0:
      case DType::kQ4_0: {
        const float largest = type == DType::kQ8_0 ? 127.0F : 8.0F;
        const uint16_t scale = ToF16(range * (0.75F + 0.25F * random.Next(1.0F)) / largest);
        put(&scale, 2);
        for (int64_t b = 0; b < BlockBytes(type) - 2; ++b) {
          const auto byte = static_cast<uint8_t>(random.Next(127.0F) + 128.0F);
          put(&byte, 1);
        }
        break;
      }
      case DType::kQ4_K:
      case DType::kQ5_K:
      case DType::kQ6_K: {
        const auto block = RandomSuperblock(type, range / std::sqrt(3.0F), random);
        put(block.data(), block.size());
        break;
      }
    }
  }
  return data;
}

std::vector<char> RandomVector(int64_t n, float center, float range, Random& random) {
  std::vector<char> data;
  for (int64_t i = 0; i < n; ++i) {
    const float value = center + random.Next(range);
    const char* bytes = reinterpret_cast<const char*>(&value);
    data.insert(data.end(), bytes, bytes + sizeof value);
  }
  return data;
}

// The byte tokens in the alphabet of byte-level BPE: printable bytes stand for themselves, the
// others for the code points from U+0100 on.
std::vector<std::string> ByteTokens() {
  std::vector<std::string> tokens;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const int code = printable ? byte : next++;
    std::string token;
    if (code < 0x80) {
      token = static_cast<char>(code);
    } else {
      token = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    }
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace

Status WriteTinyModel(const TinyModel& m, const std::string& path) {
  Random random(m.seed);
  GgufWriter gguf;
  const bool llama = m.arch == "llama";
  const int64_t kv_heads = llama ? m.kv_heads : m.heads;
  const int64_t head_dim = m.d_model / m.heads;
  gguf.Text("general.architecture", m.arch);
  gguf.Text("general.name", "tiny");
  gguf.Count(m.arch + ".vocab_size", kTinyVocab);
  gguf.Count(m.arch + ".context_length", m.context);
  gguf.Count(m.arch + ".embedding_length", m.d_model);
  gguf.Count(m.arch + ".block_count", m.layers);
  gguf.Count(m.arch + ".feed_forward_length", m.n_ff);
  gguf.Count(m.arch + ".attention.head_count", m.heads);
  gguf.Count(m.arch + ".attention.head_count_kv", kv_heads);
  gguf.Number(m.arch + (llama ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon"),
              1e-5F);
  gguf.Text(m.arch + ".hidden_act", m.activation);
  if (m.neuron_major) gguf.Text("thermocline.layout", "neuron-major");
  if (llama) {
    gguf.Count("llama.rope.dimension_count", head_dim);
    gguf.Number("llama.rope.freq_base", 10000.0F);
  } else {
    gguf.Count("opt.position_offset", 2);
  }
  std::vector<std::string> tokens = ByteTokens();
  tokens.emplace_back("<|end|>");
  std::vector<int32_t> types(256, 1);
  types.push_back(3);
  gguf.Text("tokenizer.ggml.model", "gpt2");
  gguf.Text("tokenizer.ggml.pre", "gpt-2");
  gguf.Texts("tokenizer.ggml.tokens", tokens);
  gguf.Integers("tokenizer.ggml.token_type", types);
  gguf.Texts("tokenizer.ggml.merges", {});
  gguf.Count("tokenizer.ggml.bos_token_id", kTinyEos);
  gguf.Count("tokenizer.ggml.eos_token_id", kTinyEos);
  gguf.Flag("tokenizer.ggml.add_bos_token", true);

  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    const bool down = name.find("ffn_down") != std::string::npos;
    const DType type = down ? m.down_type.value_or(m.type) : m.type;
    gguf.Tensor(name, type, {rows, cols}, RandomMatrix(type, rows, cols, random));
  };
  const auto vector = [&](const std::string& name, int64_t n, float center, float range) {
    gguf.Tensor(name, DType::kF32, {n}, RandomVector(n, center, range, random));
  };
  const auto norm = [&](const std::string& name) {
    vector(name + ".weight", m.d_model, 1.0F, 0.25F);
    if (!llama) vector(name + ".bias", m.d_model, 0.0F, 0.25F);
  };
  const auto linear = [&](const std::string& name, int64_t rows, int64_t cols) {
    matrix(name + ".weight", rows, cols);
    if (!llama) vector(name + ".bias", rows, 0.0F, 0.25F);
  };
  matrix("token_embd.weight", kTinyVocab, m.d_model);
  if (!llama) matrix("position_embd.weight", m.context + 2, m.d_model);
  for (int64_t l = 0; l < m.layers; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    norm(blk + "attn_norm");
    linear(blk + "attn_q", m.d_model, m.d_model);
    linear(blk + "attn_k", kv_heads * head_dim, m.d_model);
    linear(blk + "attn_v", kv_heads * head_dim, m.d_model);
    linear(blk + "attn_output", m.d_model, m.d_model);
    norm(blk + "ffn_norm");
    if (llama) matrix(blk + "ffn_gate.weight", m.n_ff, m.d_model);
    linear(blk + "ffn_up", m.n_ff, m.d_model);
    if (m.neuron_major) {
      matrix(blk + "ffn_down_t.weight", m.n_ff, m.d_model);
      if (!llama) vector(blk + "ffn_down.bias", m.d_model, 0.0F, 0.25F);
    } else {
      linear(blk + "ffn_down", m.d_model, m.n_ff);
    }
  }
  norm("output_norm");
  if (!m.tied && llama) matrix("output.weight", kTinyVocab, m.d_model);
  return gguf.Write(path);
}

TemporaryFile::TemporaryFile(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "thermocline-XXXXXX").string();
  if (mkdtemp(pattern.data()) != nullptr) folder_ = pattern;
  path_ = folder_ + "/" + name;
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace thermocline
