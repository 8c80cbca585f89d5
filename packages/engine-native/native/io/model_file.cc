#include "io/model_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "io/file.h"
#include "io/gguf_reader.h"
#include "io/huggingface_reader.h"
#include "io/text.h"
#include "util/sha256.h"

namespace thermocline {
namespace {

constexpr uint64_t kSampleBytes = 4096;

// Where the sampled windows of a tensor begin: its first bytes, the middle ones, the last.
std::array<uint64_t, 3> SampleWindows(const TensorInfo& tensor) {
  const uint64_t last = tensor.bytes - std::min(tensor.bytes, kSampleBytes);
  return {0, last / 2, last};
}

Status NotAModel(const std::string& path, const std::string& what) {
  return Status(StatusCode::kModelUnsupported,
                Quoted(path) + " is " + what +
                    ". A model is a GGUF file or a Hugging Face folder with config.json and "
                    "safetensors weights.",
                path);
}

// What the first bytes of a file that is not GGUF tell about it.
Status ExplainForeignFile(const std::string& path, std::string_view head) {
  if (head.empty()) return NotAModel(path, "an empty file");
  if (head.starts_with("version https://git-lfs")) {
    return NotAModel(path, "a Git LFS pointer, not the file itself; run `git lfs pull` to get it");
  }
  if (head.starts_with("PWRI")) {
    return NotAModel(path, "a PowerInfer file (magic \"PWRI\"); convert the original model to GGUF");
  }
  if (head.starts_with("FUGG")) return NotAModel(path, "a big-endian GGUF file");
  if (head.starts_with("ggml") || head.starts_with("lmgg") || head.starts_with("tjgg") ||
      head.starts_with("fmgg")) {
    return NotAModel(path, "a GGML file of the time before GGUF; convert it to GGUF");
  }
  if (head.starts_with("PK\x03\x04")) {
    return NotAModel(path, "a zip archive, as PyTorch writes `.pt` and `.bin` files; pickled "
                           "weights are not read because they can run code; convert them");
  }
  if (head.starts_with("\x80\x02") || head.starts_with("\x80\x03") ||
      head.starts_with("\x80\x04")) {
    return NotAModel(path, "a Python pickle; pickled weights are not read because they can run "
                           "code; convert them");
  }
  return NotAModel(path, "not a GGUF file: it begins with " + Quoted(head.substr(0, 4)));
}

}  // namespace

int64_t TensorInfo::elements() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

const TensorInfo* ModelFile::Find(const std::string& name) const {
  const auto& list = tensors();
  const auto at = std::lower_bound(
      list.begin(), list.end(), name,
      [](const TensorInfo& tensor, const std::string& wanted) { return tensor.name < wanted; });
  return at != list.end() && at->name == name ? &*at : nullptr;
}

Result<std::string> ModelFile::Fingerprint() const {
  // All windows are asked for before the first is waited for: a drive answers hundreds of small
  // reads together in the time of a few.
  for (const TensorInfo& tensor : tensors()) {
    for (const uint64_t begin : SampleWindows(tensor)) {
      FileOf(tensor).WillRead(tensor.offset + begin, std::min(tensor.bytes, kSampleBytes));
    }
  }
  Sha256 hash;
  hash.Update("thermocline fingerprint 1\n");
  hash.UpdateU64(tensors().size());
  std::array<std::byte, kSampleBytes> sample;
  for (const TensorInfo& tensor : tensors()) {
    hash.UpdateU64(tensor.name.size());
    hash.Update(tensor.name);
    hash.UpdateU64(tensor.shape.size());
    for (const int64_t d : tensor.shape) hash.UpdateU64(static_cast<uint64_t>(d));
    hash.Update(tensor.type_name);
    hash.Update("\n");
    for (const uint64_t begin : SampleWindows(tensor)) {
      const auto length = static_cast<size_t>(std::min(tensor.bytes, kSampleBytes));
      const auto window = std::span(sample).first(length);
      RETURN_IF_ERROR(Read(tensor, begin, window));
      hash.Update(window);
    }
  }
  return hash.HexDigest();
}

Result<std::unique_ptr<ModelFile>> OpenModelFile(const std::string& path, OpenPurpose purpose) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return OpenHuggingFace(path, purpose);
  }
  if (path.ends_with(".safetensors")) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (::stat((folder + "/config.json").c_str(), &info) != 0) {
      return NotAModel(path, "a safetensors file without a config.json beside it");
    }
    return OpenHuggingFace(folder, purpose);
  }
  std::array<char, 32> head = {};
  size_t head_bytes = 0;
  {
    ASSIGN_OR_RETURN(const File file, File::Open(path));
    head_bytes = static_cast<size_t>(std::min<uint64_t>(head.size(), file.size()));
    RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span(head).first(head_bytes))));
  }
  const std::string_view text(head.data(), head_bytes);
  if (!text.starts_with("GGUF")) return ExplainForeignFile(path, text);
  return OpenGguf(path, purpose);
}

}  // namespace thermocline
