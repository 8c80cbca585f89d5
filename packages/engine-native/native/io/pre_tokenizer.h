// Recognises the pre-tokenizer that a tokenizer.json describes.
#pragma once

#include <string>

#include "io/json.h"

namespace thermocline {

// GGUF's name for it ("gpt-2", "llama-bpe", ...), or "" with a description for people.
struct PreTokenizerName {
  std::string known;
  std::string description;
};

// `value` is the "pre_tokenizer" of a byte-level BPE tokenizer.json.
PreTokenizerName RecognisePreTokenizer(JsonValue value);

}  // namespace thermocline
