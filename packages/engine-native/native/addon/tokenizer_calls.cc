#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"
#include "io/model_file.h"

namespace thermocline::addon {
namespace {

Result<std::shared_ptr<const Tokenizer>> ReadTokenizer(const std::string& path) {
  // Only the vocabulary is wanted: a weight type that cannot be read is no obstacle.
  ASSIGN_OR_RETURN(const auto file, OpenModelFile(path, OpenPurpose::kInspect));
  ASSIGN_OR_RETURN(VocabularyData vocabulary, file->vocabulary());
  if (vocabulary.kind == VocabularyData::Kind::kNone) {
    return Status(StatusCode::kTokenizerUnsupported, "the file carries no vocabulary", path);
  }
  ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Create(std::move(vocabulary), path));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

// openTokenizer(path) -> handle
Napi::Value OpenTokenizer(const Napi::CallbackInfo& info) {
  const std::string path = ReadString(info[0], "path");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call, path] {
    auto tokenizer = ReadTokenizer(path);
    if (!tokenizer.ok()) return call.Reject(std::move(tokenizer).status().WithPath(path));
    call.Resolve([tokenizer = *tokenizer](Napi::Env env) -> Napi::Value {
      auto handle = std::make_unique<TokenizerHandle>();
      handle->tokenizer = tokenizer;
      return WrapHandle(env, std::move(handle));
    });
  });
  return value;
}

// engineTokenizer(engine) -> handle
Napi::Value EngineTokenizer(const Napi::CallbackInfo& info) {
  const auto engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).open->engine;
  auto handle = std::make_unique<TokenizerHandle>();
  handle->tokenizer = std::shared_ptr<const Tokenizer>(engine, &engine->tokenizer());
  return WrapHandle(info.Env(), std::move(handle));
}

// tokenizerInfo(tokenizer)
Napi::Value TokenizerInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& tokenizer = *UnwrapHandle<TokenizerHandle>(env, info[0]).tokenizer;
  const VocabularyData& vocabulary = tokenizer.vocabulary();
  const bool bpe = vocabulary.kind == VocabularyData::Kind::kBpe;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", bpe ? "bpe" : "sentencepiece");
  object.Set("preTokenizer", bpe ? FromText(env, vocabulary.pre_tokenizer) : env.Null());
  object.Set("vocab", FromSize(env, vocabulary.tokens.size()));
  object.Set("addsBos", tokenizer.adds_bos());
  object.Set("addsEos", vocabulary.add_eos);
  object.Set("bos", FromOptionalId(env, vocabulary.bos));
  object.Set("eos", FromOptionalId(env, vocabulary.eos));
  object.Set("chatTemplate", vocabulary.chat_template.empty()
                                 ? env.Null()
                                 : FromText(env, vocabulary.chat_template));
  return object;
}

// tokenize(tokenizer, text, addSpecial, parseSpecial) -> Int32Array
Napi::Value Tokenize(const Napi::CallbackInfo& info) {
  const auto tokenizer = UnwrapHandle<TokenizerHandle>(info.Env(), info[0]).tokenizer;
  std::string text = ReadString(info[1], "text");
  EncodeOptions options;
  options.add_special = ReadBool(info[2], "addSpecial");
  options.parse_special = ReadBool(info[3], "parseSpecial");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, tokenizer, text = std::move(text), options] {
    const auto tokens =
        std::make_shared<std::vector<TokenId>>(tokenizer->Encode(text, options));
    call.Resolve([tokens](Napi::Env env) -> Napi::Value { return FromTokens(env, *tokens); });
  });
  return value;
}

// detokenize(tokenizer, tokens, special) -> text
Napi::Value Detokenize(const Napi::CallbackInfo& info) {
  const auto tokenizer = UnwrapHandle<TokenizerHandle>(info.Env(), info[0]).tokenizer;
  std::vector<TokenId> tokens = ReadTokens(info[1], "tokens");
  const bool special = ReadBool(info[2], "special");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, tokenizer, tokens = std::move(tokens), special] {
    const auto text = std::make_shared<std::string>(tokenizer->Decode(tokens, special));
    call.Resolve([text](Napi::Env env) { return FromText(env, *text); });
  });
  return value;
}

// tokenText(tokenizer, id) -> text, or null outside the vocabulary
Napi::Value TokenText(const Napi::CallbackInfo& info) {
  const auto& tokenizer = *UnwrapHandle<TokenizerHandle>(info.Env(), info[0]).tokenizer;
  const int64_t id = ReadInteger(info[1], "token");
  const auto size = static_cast<int64_t>(tokenizer.vocabulary().tokens.size());
  if (id < 0 || id >= size) return info.Env().Null();
  return FromText(info.Env(), tokenizer.TokenText(static_cast<TokenId>(id)));
}

}  // namespace

void ExportTokenizerCalls(Napi::Object exports) {
  Export<OpenTokenizer>(exports, "openTokenizer");
  Export<EngineTokenizer>(exports, "engineTokenizer");
  Export<TokenizerInfo>(exports, "tokenizerInfo");
  Export<Tokenize>(exports, "tokenize");
  Export<Detokenize>(exports, "detokenize");
  Export<TokenText>(exports, "tokenText");
}

}  // namespace thermocline::addon
