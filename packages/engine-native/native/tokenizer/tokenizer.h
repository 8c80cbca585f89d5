// Text to token ids and back, from the vocabulary that the model file carries.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_special = false;    // BOS and EOS as the model asks for them
  bool parse_special = false;  // text such as "<|im_start|>" becomes the control token
};

// Immutable after Create, so safe from any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // kTokenizerUnsupported (with the word `pre-tokenizer` and its name) for a BPE
  // pre-tokenizer that is not known; kModelCorrupt for a vocabulary that
  // contradicts itself. `path` goes into error messages.
  static Result<std::unique_ptr<Tokenizer>> Create(VocabularyData data, const std::string& path);

  // Invalid UTF-8 in `text` is encoded byte by byte where the vocabulary can, else as U+FFFD.
  virtual std::vector<TokenId> Encode(std::string_view text,
                                      const EncodeOptions& options) const = 0;

  // The bytes that this token adds to the text; a character may span several tokens.
  // Control tokens give "" unless `special`. Ids outside the vocabulary give "".
  virtual std::string TokenBytes(TokenId id, bool special) const = 0;

  // The token as the vocabulary spells it ("Ġgirl", "<0x0A>").
  virtual const std::string& TokenText(TokenId id) const = 0;

  // Bytes of all tokens joined; drops the leading space that SentencePiece's prefix added.
  virtual std::string Decode(std::span<const TokenId> ids, bool special) const = 0;

  virtual bool IsControl(TokenId id) const = 0;
  virtual bool IsEndOfGeneration(TokenId id) const = 0;  // EOS, EOT and the like

  // As given to Create, except that `merges` is empty: the tokenizer holds them compactly.
  virtual const VocabularyData& vocabulary() const = 0;

  // Whether BOS is put before text: the file's word, else SentencePiece yes, BPE no.
  virtual bool adds_bos() const = 0;
};

// Holds back the bytes of an unfinished UTF-8 character, so that streamed text
// never contains half a character. Malformed bytes come out as U+FFFD.
class Utf8Stream {
 public:
  std::string Push(std::string_view bytes);  // the complete characters so far
  std::string Flush();                       // what is left, U+FFFD if unfinished

 private:
  std::string pending_;
};

}  // namespace thermocline
