// Random models of a few kilobytes for tests, as real GGUF files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "util/dtype.h"
#include "util/status.h"

namespace thermocline {

struct TinyModel {
  std::string arch = "llama";  // or "opt"
  std::string activation = "relu";
  DType type = DType::kF32;    // of the matrices
  std::optional<DType> down_type;  // of ffn_down, when it is another
  bool neuron_major = false;   // packed: ffn_down_t, a row for each neuron
  int64_t layers = 2;
  int64_t d_model = 64;
  int64_t n_ff = 288;
  int64_t heads = 4;
  int64_t kv_heads = 2;        // opt: heads
  int64_t context = 128;
  bool tied = false;
  uint64_t seed = 1;
};

// A model all of this type, wide enough for it: K-quants take rows and neurons by 256.
inline TinyModel TinyModelOf(DType type) {
  TinyModel model;
  model.type = type;
  if (!IsKQuant(type)) return model;
  model.d_model = 256;
  model.n_ff = 512;
  return model;
}

// The vocabulary: 256 bytes, then one control token, which is BOS and EOS.
constexpr int64_t kTinyVocab = 257;
constexpr int32_t kTinyEos = 256;

// Writes the file; `path` should lie in a folder made for the test.
Status WriteTinyModel(const TinyModel& model, const std::string& path);

// A file of this name in a fresh temporary folder, removed when the object goes.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace thermocline
