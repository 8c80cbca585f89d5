// One view of a model on disk, whatever its container: GGUF file or Hugging Face
// folder. Readers check every number against the file before believing it, and
// read tensors on request; nothing is mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/file.h"
#include "util/dtype.h"
#include "util/status.h"

namespace thermocline {

// A tensor as the file describes it. Rows are contiguous: shape = {rows, cols}
// for a matrix (GGUF's ne[1], ne[0]; Hugging Face's [out, in]), {n} for a vector.
struct TensorInfo {
  std::string name;  // canonical: the GGUF names, e.g. "blk.3.ffn_down.weight"
  DType type = DType::kF32;    // meaningless unless `readable`
  const char* type_name = "F32";  // as the file's format spells it, e.g. "Q5_K"; static storage
  bool readable = true;        // false only in a model opened for inspection
  std::vector<int64_t> shape;  // outermost first, 1 to 4 dimensions, all > 0
  uint64_t bytes = 0;          // size of the data in the file
  uint32_t shard = 0;          // which file of the model (index into ModelFile::paths)
  uint64_t offset = 0;         // of the data in that file

  int64_t elements() const;
};

// How the two halves of a rotated pair are laid out in attention rows.
enum class RopeLayout { kInterleaved, kHalfSplit };

// Hyper-parameters, as data; the fields that an architecture does not use keep
// their defaults. Filled from GGUF keys or from config.json.
struct Hyperparameters {
  std::string arch;        // "llama", "opt"
  std::string name;        // for people; may be empty
  int64_t layers = 0;
  int64_t d_model = 0;
  std::vector<int64_t> n_ff;  // [layers]
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab = 0;
  int64_t context = 0;       // trained context length
  std::string context_source;  // the key it was read from
  std::string activation;    // "silu", "relu", "gelu", ... as named by the file, lower case
  std::string activation_source;  // the key that said so, or "default of llama"
  int64_t experts = 0;       // 0: no mixture
  bool synthetic = false;    // random weights with planted sparsity, for benchmarks
  int64_t position_offset = 0;  // learned positions start at this row (OPT: 2)
  float norm_epsilon = 1e-5F;
  float rope_theta = 10000.0F;
  float rope_scale = 1.0F;   // linear scaling: positions are divided by it
  int64_t rope_dim = 0;      // rotated dimensions per head
  RopeLayout rope_layout = RopeLayout::kInterleaved;
  bool neuron_major = false;  // down matrices are there as ffn_down_t, [n_ff][d_model]
};

// What a tokenizer is built from, whichever file it came from.
struct VocabularyData {
  enum class Kind { kNone, kBpe, kSentencePiece };
  enum class TokenType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  Kind kind = Kind::kNone;
  std::string pre_tokenizer;         // GGUF's tokenizer.ggml.pre, or the one recognised in tokenizer.json
  std::string unknown_pre_tokenizer; // a description when tokenizer.json has one we do not know
  std::vector<std::string> tokens;   // BPE: in the byte-to-Unicode alphabet; SentencePiece: with U+2581
  std::vector<float> scores;         // SentencePiece
  std::vector<TokenType> types;      // same length as tokens
  std::vector<std::string> merges;   // BPE: "left right", best first
  int64_t bos = -1, eos = -1, unk = -1, pad = -1, eot = -1;  // -1: none
  bool has_add_bos = false;          // the file says whether to add BOS
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;      // SentencePiece
  bool remove_extra_whitespace = false;
  bool ignore_merges = false;        // BPE: a word that is a token is taken whole
  std::string chat_template;         // Jinja source, empty when none
};

// One key of a model file, for people: `text` is valid UTF-8 and short.
struct MetadataEntry {
  std::string key;
  std::string type;  // "u32", "string", "array of f32 (4096)", ...
  std::string text;  // the value; of arrays the first items
};

// Loading refuses weight types we do not read (kWeightTypeUnsupported); inspection
// lists them. Everything else is checked alike.
enum class OpenPurpose { kLoad, kInspect };

class ModelFile {
 public:
  virtual ~ModelFile() = default;

  virtual const std::string& path() const = 0;               // as given by the caller
  virtual const std::vector<std::string>& paths() const = 0; // files that hold tensors
  virtual const char* container() const = 0;                 // "gguf" or "huggingface"
  virtual const std::vector<TensorInfo>& tensors() const = 0;  // sorted by name
  virtual Result<Hyperparameters> hyperparameters() const = 0; // kModelUnsupported for unknown arch
  virtual Result<VocabularyData> vocabulary() const = 0;
  virtual Result<std::vector<MetadataEntry>> metadata() const = 0;  // in order of the keys

  // Reads `bytes` bytes of the tensor's data starting at byte `offset` in it.
  // REQUIRES: the range lies inside the tensor. Safe from several threads.
  virtual Status Read(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> into) const = 0;

  // The file that holds the tensor's data, at tensor.offset. REQUIRES: a tensor of this model.
  virtual const File& FileOf(const TensorInfo& tensor) const = 0;

  const TensorInfo* Find(const std::string& name) const;  // nullptr when absent

  // SHA-256 (hex) over each tensor's name, shape, type and sampled bytes: the
  // first and last 4 KiB and one 4 KiB window at the middle. Fast on any size.
  // The record that is hashed is written down in docs/formats/gguf.md.
  Result<std::string> Fingerprint() const;
};

// Opens a GGUF file, a folder with config.json, or a `.safetensors` file inside one.
// Vocabulary-only GGUFs open too (no tensors, hyperparameters may fail).
Result<std::unique_ptr<ModelFile>> OpenModelFile(const std::string& path,
                                                 OpenPurpose purpose = OpenPurpose::kLoad);

}  // namespace thermocline
