#include "io/gguf_reader.h"

#include <utility>

#include "io/text.h"

namespace thermocline {
namespace {

class GgufModelFile : public ModelFile {
 public:
  explicit GgufModelFile(GgufHeader header)
      : header_(std::move(header)), paths_{header_.file().path()} {}

  const std::string& path() const override { return paths_[0]; }
  const std::vector<std::string>& paths() const override { return paths_; }
  const char* container() const override { return "gguf"; }
  const std::vector<TensorInfo>& tensors() const override { return header_.tensors(); }
  Result<Hyperparameters> hyperparameters() const override {
    return ReadGgufHyperparameters(header_, *this);
  }
  Result<VocabularyData> vocabulary() const override { return ReadGgufVocabulary(header_); }
  Result<std::vector<MetadataEntry>> metadata() const override {
    return ReadGgufMetadata(header_);
  }
  Status Read(const TensorInfo& tensor, uint64_t offset,
              std::span<std::byte> into) const override {
    if (offset > tensor.bytes || into.size() > tensor.bytes - offset) {
      return Status(StatusCode::kInvalidArgument,
                    "A read reaches past the end of tensor " + Quoted(tensor.name) + ".", path());
    }
    return header_.file().Read(tensor.offset + offset, into);
  }
  const File& FileOf(const TensorInfo&) const override { return header_.file(); }

 private:
  GgufHeader header_;
  std::vector<std::string> paths_;
};

}  // namespace

Result<std::unique_ptr<ModelFile>> OpenGguf(const std::string& path, OpenPurpose purpose) {
  ASSIGN_OR_RETURN(GgufHeader header, GgufHeader::Open(path));
  ASSIGN_OR_RETURN(const auto n_splits, header.GetUint("split.count"));
  if (n_splits.value_or(1) > 1) {
    return Status(StatusCode::kModelUnsupported,
                  "This is one of " + std::to_string(*n_splits) +
                      " parts of a split GGUF file; merge them into one file first.",
                  path);
  }
  if (purpose == OpenPurpose::kLoad) {
    for (const TensorInfo& tensor : header.tensors()) {
      if (!tensor.readable) {
        return Status(StatusCode::kWeightTypeUnsupported,
                      "The tensor " + Quoted(tensor.name) + " has the type " + tensor.type_name +
                          "; F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K and Q6_K are read.",
                      path);
      }
    }
  }
  return std::unique_ptr<ModelFile>(new GgufModelFile(std::move(header)));
}

}  // namespace thermocline
