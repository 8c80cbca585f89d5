#include "addon/predictor_values.h"

#include <cstring>
#include <string>
#include <utility>

#include "addon/convert.h"

namespace thermocline::addon {
namespace {

using Kind = LayerPredictor::Kind;

constexpr std::pair<Kind, const char*> kKinds[] = {{Kind::kNone, "none"},
                                                   {Kind::kTrained, "trained"},
                                                   {Kind::kFactorised, "factorised"},
                                                   {Kind::kSigns, "signs"},
                                                   {Kind::kGate, "gate"}};
constexpr std::pair<PredictorType, const char*> kTypes[] = {
    {PredictorType::kF32, "F32"}, {PredictorType::kF16, "F16"},   {PredictorType::kBF16, "BF16"},
    {PredictorType::kI8, "I8"},   {PredictorType::kQ8_0, "Q8_0"}, {PredictorType::kQ4_0, "Q4_0"}};

template <typename T, size_t N>
T ReadName(Napi::Value value, const char* what, const std::pair<T, const char*> (&names)[N]) {
  const std::string text = ReadString(value, what);
  for (const auto& [meaning, name] : names) {
    if (text == name) return meaning;
  }
  throw Napi::TypeError::New(value.Env(), std::string(what) + " has a name that is not known");
}

template <typename T, size_t N>
const char* NameOf(T value, const std::pair<T, const char*> (&names)[N]) {
  for (const auto& [meaning, name] : names) {
    if (meaning == value) return name;
  }
  return "?";
}

bool IsArray(Napi::Value value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

// The elements of a typed array of this type, as bytes of T.
template <typename T>
std::vector<T> ReadElements(Napi::Value value, napi_typedarray_type type, const char* name) {
  if (!IsArray(value, type)) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " is not the typed array it must be");
  }
  // By the plain C interface, which reaches shared buffers too.
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr) !=
      napi_ok) {
    throw Napi::Error::New(value.Env());
  }
  std::vector<T> elements(value.As<Napi::TypedArray>().ByteLength() / sizeof(T));
  if (!elements.empty()) std::memcpy(elements.data(), data, elements.size() * sizeof(T));
  return elements;
}

napi_typedarray_type ValuesArray(PredictorType type) {
  switch (type) {
    case PredictorType::kF32: return napi_float32_array;
    case PredictorType::kF16:
    case PredictorType::kBF16: return napi_uint16_array;
    case PredictorType::kI8:
    case PredictorType::kQ8_0: return napi_int8_array;
    case PredictorType::kQ4_0: return napi_uint8_array;
  }
  return napi_uint8_array;
}

bool InBlocks(PredictorType type) {
  return type == PredictorType::kQ8_0 || type == PredictorType::kQ4_0;
}

PredictorMatrix ReadMatrix(Napi::Value value, const char* name) {
  const Napi::Object object = ReadObject(value, name);
  PredictorMatrix matrix;
  matrix.type = ReadPredictorType(object.Get("type"));
  matrix.rows = ReadInteger(object.Get("rows"), "rows");
  matrix.cols = ReadInteger(object.Get("columns"), "columns");
  matrix.values = ReadElements<std::byte>(object.Get("values"), ValuesArray(matrix.type), "values");
  if (matrix.type == PredictorType::kI8) matrix.scale = ReadFloats(object.Get("scale"), "scale");
  if (InBlocks(matrix.type)) {
    matrix.block_scale = ReadElements<uint16_t>(object.Get("scale"), napi_uint16_array, "scale");
  }
  return matrix;
}

template <typename JsArray, typename T>
JsArray FromElements(Napi::Env env, const std::vector<T>& elements) {
  using Element = std::remove_pointer_t<decltype(std::declval<JsArray>().Data())>;
  JsArray array = JsArray::New(env, elements.size() * sizeof(T) / sizeof(Element));
  if (!elements.empty()) std::memcpy(array.Data(), elements.data(), elements.size() * sizeof(T));
  return array;
}

Napi::Object FromMatrix(Napi::Env env, const PredictorMatrix& matrix) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", NameOf(matrix.type, kTypes));
  object.Set("rows", FromInteger(env, matrix.rows));
  object.Set("columns", FromInteger(env, matrix.cols));
  switch (ValuesArray(matrix.type)) {
    case napi_float32_array:
      object.Set("values", FromElements<Napi::Float32Array>(env, matrix.values));
      break;
    case napi_uint16_array:
      object.Set("values", FromElements<Napi::Uint16Array>(env, matrix.values));
      break;
    case napi_int8_array:
      object.Set("values", FromElements<Napi::Int8Array>(env, matrix.values));
      break;
    default: object.Set("values", FromElements<Napi::Uint8Array>(env, matrix.values)); break;
  }
  if (matrix.type == PredictorType::kI8) object.Set("scale", FromFloats(env, matrix.scale));
  if (InBlocks(matrix.type)) {
    object.Set("scale", FromElements<Napi::Uint16Array>(env, matrix.block_scale));
  }
  return object;
}

bool IsLowRank(Kind kind) { return kind == Kind::kTrained || kind == Kind::kFactorised; }

}  // namespace

Kind ReadPredictorKind(Napi::Value value) { return ReadName(value, "kind", kKinds); }

PredictorType ReadPredictorType(Napi::Value value) { return ReadName(value, "type", kTypes); }

std::vector<float> ReadFloats(Napi::Value value, const char* name) {
  return ReadElements<float>(value, napi_float32_array, name);
}

LayerPredictor ReadPredictor(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "predictor");
  LayerPredictor predictor;
  predictor.kind = ReadPredictorKind(object.Get("kind"));
  if (predictor.kind == Kind::kNone) return predictor;
  predictor.reads_previous_layer = ReadString(object.Get("reads"), "reads") == "previous-layer";
  predictor.threshold = ReadFloats(object.Get("threshold"), "threshold");
  if (IsLowRank(predictor.kind)) {
    predictor.down = ReadMatrix(object.Get("down"), "down");
    predictor.up = ReadMatrix(object.Get("up"), "up");
  }
  if (predictor.kind == Kind::kSigns) {
    predictor.signs = ReadElements<uint8_t>(object.Get("signs"), napi_uint8_array, "signs");
  }
  return predictor;
}

std::shared_ptr<const PredictorSet> ReadPredictorSet(Napi::Value value) {
  if (value.IsNull()) return nullptr;
  const Napi::Object object = ReadObject(value, "predictors");
  auto set = std::make_shared<PredictorSet>();
  set->fingerprint = ReadString(object.Get("fingerprint"), "fingerprint");
  const Napi::Array layers = ReadArray(object.Get("layers"), "layers");
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    set->layers.push_back(ReadPredictor(layers.Get(i)));
  }
  return set;
}

Napi::Object FromPredictor(Napi::Env env, const LayerPredictor& predictor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", NameOf(predictor.kind, kKinds));
  if (predictor.kind == Kind::kNone) return object;
  object.Set("reads", predictor.reads_previous_layer ? "previous-layer" : "same-layer");
  object.Set("threshold", FromFloats(env, predictor.threshold));
  if (IsLowRank(predictor.kind)) {
    object.Set("down", FromMatrix(env, predictor.down));
    object.Set("up", FromMatrix(env, predictor.up));
  }
  if (predictor.kind == Kind::kSigns) {
    object.Set("signs", FromElements<Napi::Uint8Array>(env, predictor.signs));
  }
  return object;
}

}  // namespace thermocline::addon
