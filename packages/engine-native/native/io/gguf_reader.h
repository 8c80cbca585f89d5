// A GGUF file as a ModelFile.
#pragma once

#include <memory>
#include <string>

#include "io/gguf_header.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

Result<std::unique_ptr<ModelFile>> OpenGguf(const std::string& path, OpenPurpose purpose);

// The parts of the reader, each over the header alone (`file` gives the tensors).
Result<Hyperparameters> ReadGgufHyperparameters(const GgufHeader& header, const ModelFile& file);
Result<VocabularyData> ReadGgufVocabulary(const GgufHeader& header);
Result<std::vector<MetadataEntry>> ReadGgufMetadata(const GgufHeader& header);

}  // namespace thermocline
