// tokenizer.json to VocabularyData.
#pragma once

#include <string>

#include "io/json.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

// Tokens, types, merges or scores, and the pre-tokenizer; special ids and the chat
// template stand in other files. `root` is the root of tokenizer.json at `path`.
Result<VocabularyData> ReadTokenizerJson(JsonValue root, const std::string& path);

// The id of the token with this text, or -1. Linear.
int64_t FindToken(const VocabularyData& data, const std::string& text);

// A SentencePiece vocabulary was stored as BPE merges: turns their order back into
// scores, when that is certain to segment text alike, else kTokenizerUnsupported.
// REQUIRES: data.tokens, types and merges are filled.
Status MergesToScores(VocabularyData& data, const std::string& path);

}  // namespace thermocline
