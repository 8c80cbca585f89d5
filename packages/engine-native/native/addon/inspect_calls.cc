#include "addon/calls.h"
#include "addon/convert.h"
#include "io/model_file.h"

namespace thermocline::addon {
namespace {

// What a person wants to know of a model file, copied out so that the file can be closed. A
// model that does not run here still has a description; the reason stands beside it.
struct Inspection {
  std::string container;
  std::vector<std::string> paths;
  std::vector<MetadataEntry> metadata;
  std::vector<TensorInfo> tensors;
  Hyperparameters model;
  Status model_status;
  VocabularyData vocabulary;
  Status vocabulary_status;
  std::string fingerprint;
};

Result<std::shared_ptr<Inspection>> Inspect(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, OpenModelFile(path, OpenPurpose::kInspect));
  auto inspection = std::make_shared<Inspection>();
  inspection->container = file->container();
  inspection->paths = file->paths();
  inspection->tensors = file->tensors();
  ASSIGN_OR_RETURN(inspection->metadata, file->metadata());
  auto model = file->hyperparameters();
  inspection->model_status = model.status();
  if (model.ok()) inspection->model = std::move(model).value();
  auto vocabulary = file->vocabulary();
  inspection->vocabulary_status = vocabulary.status();
  if (vocabulary.ok()) inspection->vocabulary = std::move(vocabulary).value();
  ASSIGN_OR_RETURN(inspection->fingerprint, file->Fingerprint());
  return inspection;
}

Napi::Value FromReason(Napi::Env env, const Status& status) {
  return status.ok() ? env.Null() : FromText(env, status.message());
}

Napi::Value FromVocabulary(Napi::Env env, const VocabularyData& vocabulary) {
  if (vocabulary.kind == VocabularyData::Kind::kNone) return env.Null();
  const bool bpe = vocabulary.kind == VocabularyData::Kind::kBpe;
  const std::string& pre = vocabulary.pre_tokenizer.empty() ? vocabulary.unknown_pre_tokenizer
                                                            : vocabulary.pre_tokenizer;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", bpe ? "bpe" : "sentencepiece");
  object.Set("preTokenizer", bpe ? FromText(env, pre) : env.Null());
  object.Set("tokens", FromSize(env, vocabulary.tokens.size()));
  object.Set("bos", FromOptionalId(env, vocabulary.bos));
  object.Set("eos", FromOptionalId(env, vocabulary.eos));
  return object;
}

Napi::Value FromInspection(Napi::Env env, const Inspection& inspection) {
  Napi::Array metadata = Napi::Array::New(env, inspection.metadata.size());
  for (size_t i = 0; i < inspection.metadata.size(); ++i) {
    const MetadataEntry& entry = inspection.metadata[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("key", FromText(env, entry.key));
    object.Set("type", FromText(env, entry.type));
    object.Set("summary", FromText(env, entry.text));
    metadata.Set(static_cast<uint32_t>(i), object);
  }
  Napi::Array tensors = Napi::Array::New(env, inspection.tensors.size());
  for (size_t i = 0; i < inspection.tensors.size(); ++i) {
    const TensorInfo& tensor = inspection.tensors[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", FromText(env, tensor.name));
    object.Set("type", tensor.type_name);
    object.Set("readable", tensor.readable);
    object.Set("shape", FromIntegers(env, tensor.shape));
    object.Set("bytes", FromSize(env, tensor.bytes));
    tensors.Set(static_cast<uint32_t>(i), object);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("container", FromText(env, inspection.container));
  object.Set("paths", FromStrings(env, inspection.paths));
  object.Set("metadata", metadata);
  object.Set("tensors", tensors);
  object.Set("model", inspection.model_status.ok() ? FromHyperparameters(env, inspection.model)
                                                   : env.Null());
  object.Set("modelProblem", FromReason(env, inspection.model_status));
  object.Set("vocabulary", inspection.vocabulary_status.ok()
                               ? FromVocabulary(env, inspection.vocabulary)
                               : env.Null());
  object.Set("vocabularyProblem", FromReason(env, inspection.vocabulary_status));
  object.Set("fingerprint", FromText(env, inspection.fingerprint));
  return object;
}

// inspectFile(path)
Napi::Value InspectFile(const Napi::CallbackInfo& info) {
  const std::string path = ReadString(info[0], "path");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call, path] {
    auto inspection = Inspect(path);
    if (!inspection.ok()) return call.Reject(std::move(inspection).status().WithPath(path));
    call.Resolve([inspection = *inspection](Napi::Env env) {
      return FromInspection(env, *inspection);
    });
  });
  return value;
}

}  // namespace

void ExportInspectCalls(Napi::Object exports) { Export<InspectFile>(exports, "inspectFile"); }

}  // namespace thermocline::addon
