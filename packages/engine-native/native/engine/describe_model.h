// What an opened model file says about itself, as far as users of an engine are told.
#pragma once

#include "engine/engine.h"
#include "io/model_file.h"
#include "tokenizer/tokenizer.h"
#include "util/status.h"

namespace thermocline {

// Fails with kInvalidArgument for a context longer than the model was made for, and with what
// FindArchitecture, FindActivation and Fingerprint fail with. `modes` are left to the engine.
Result<EngineInfo> DescribeModel(const ModelFile& file, const Hyperparameters& model,
                                 const Tokenizer& tokenizer, const EngineOptions& options);

}  // namespace thermocline
