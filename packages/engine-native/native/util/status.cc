#include "util/status.h"

namespace thermocline {

const char* StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "OK";
    case StatusCode::kFileNotFound: return "FILE_NOT_FOUND";
    case StatusCode::kIo: return "IO_ERROR";
    case StatusCode::kModelCorrupt: return "MODEL_CORRUPT";
    case StatusCode::kModelUnsupported: return "MODEL_UNSUPPORTED";
    case StatusCode::kWeightTypeUnsupported: return "WEIGHT_TYPE_UNSUPPORTED";
    case StatusCode::kTokenizerUnsupported: return "TOKENIZER_UNSUPPORTED";
    case StatusCode::kArtifactCorrupt: return "ARTIFACT_CORRUPT";
    case StatusCode::kArtifactFormat: return "ARTIFACT_FORMAT";
    case StatusCode::kArtifactVersion: return "ARTIFACT_VERSION";
    case StatusCode::kArtifactModelMismatch: return "ARTIFACT_MODEL_MISMATCH";
    case StatusCode::kInvalidArgument: return "INVALID_ARGUMENT";
    case StatusCode::kContextOverflow: return "CONTEXT_OVERFLOW";
    case StatusCode::kOutOfMemory: return "OUT_OF_MEMORY";
    case StatusCode::kAborted: return "ABORTED";
    case StatusCode::kClosed: return "CLOSED";
    case StatusCode::kModeUnsupported: return "MODE_UNSUPPORTED";
    case StatusCode::kInternal: return "INTERNAL";
  }
  return "INTERNAL";
}

}  // namespace thermocline
