#include "addon/convert.h"

#include <cmath>
#include <cstring>

namespace thermocline::addon {
namespace {

constexpr double kMaxExact = 9007199254740992.0;  // 2^53

[[noreturn]] void Refuse(Napi::Env env, const char* name, const char* expected) {
  throw Napi::TypeError::New(env, std::string(name) + " must be " + expected);
}

// The elements of a typed array, copied while JavaScript cannot change them.
Napi::Int32Array AsInt32Array(Napi::Value value, const char* name) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    Refuse(value.Env(), name, "an Int32Array");
  }
  return value.As<Napi::Int32Array>();
}

Napi::Object FromTiers(Napi::Env env, const uint64_t (&bytes)[kTiers]) {
  Napi::Object object = Napi::Object::New(env);
  for (const Tier tier : {Tier::kGpu, Tier::kCpu, Tier::kFlash}) {
    object.Set(TierName(tier), FromSize(env, bytes[static_cast<size_t>(tier)]));
  }
  return object;
}

Napi::Array FromSizes(Napi::Env env, const std::vector<uint64_t>& sizes) {
  Napi::Array array = Napi::Array::New(env, sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), FromSize(env, sizes[i]));
  }
  return array;
}

Napi::Object FromAudit(Napi::Env env, const PredictionAudit& audit) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", FromInteger(env, audit.tokens));
  const auto per_layer = [&](const char* name, auto field) {
    Napi::Array values = Napi::Array::New(env, audit.layers.size());
    for (size_t i = 0; i < audit.layers.size(); ++i) {
      values.Set(static_cast<uint32_t>(i), static_cast<double>(audit.layers[i].*field));
    }
    object.Set(name, values);
  };
  per_layer("firing", &PredictionAudit::Layer::firing);
  per_layer("predicted", &PredictionAudit::Layer::predicted);
  per_layer("hits", &PredictionAudit::Layer::hits);
  per_layer("firingValue", &PredictionAudit::Layer::firing_value);
  per_layer("hitValue", &PredictionAudit::Layer::hit_value);
  return object;
}

}  // namespace

std::string ReadString(Napi::Value value, const char* name) {
  if (!value.IsString()) Refuse(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

double ReadDouble(Napi::Value value, const char* name) {
  if (!value.IsNumber()) Refuse(value.Env(), name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t ReadInteger(Napi::Value value, const char* name) {
  const double number = ReadDouble(value, name);
  if (!(std::fabs(number) <= kMaxExact) || std::trunc(number) != number) {
    Refuse(value.Env(), name, "a whole number within 2^53");
  }
  return static_cast<int64_t>(number);
}

uint64_t ReadSize(Napi::Value value, const char* name) {
  const int64_t number = ReadInteger(value, name);
  if (number < 0) Refuse(value.Env(), name, "0 or more");
  return static_cast<uint64_t>(number);
}

bool ReadBool(Napi::Value value, const char* name) {
  if (!value.IsBoolean()) Refuse(value.Env(), name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

Mode ReadMode(Napi::Value value) {
  const std::string name = ReadString(value, "mode");
  for (const Mode mode : kModes) {
    if (name == ModeName(mode)) return mode;
  }
  Refuse(value.Env(), "mode", "'dense', 'exact', 'predicted' or 'threshold'");
}

DType ReadKvType(Napi::Value value) {
  const std::string name = ReadString(value, "kvType");
  if (name == "f16") return DType::kF16;
  if (name == "f32") return DType::kF32;
  Refuse(value.Env(), "kvType", "'f16' or 'f32'");
}

std::vector<TokenId> ReadTokens(Napi::Value value, const char* name) {
  const Napi::Int32Array array = AsInt32Array(value, name);
  if (array.ElementLength() == 0) return {};
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<int64_t> ReadIndices(Napi::Value value, const char* name) {
  const Napi::Int32Array array = AsInt32Array(value, name);
  if (array.ElementLength() == 0) return {};
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<std::string> ReadStrings(Napi::Value value, const char* name) {
  const Napi::Array array = ReadArray(value, name);
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(ReadString(array.Get(i), name));
  return texts;
}

Napi::Object ReadObject(Napi::Value value, const char* name) {
  if (!value.IsObject()) Refuse(value.Env(), name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array ReadArray(Napi::Value value, const char* name) {
  if (!value.IsArray()) Refuse(value.Env(), name, "an array");
  return value.As<Napi::Array>();
}

Napi::Number FromSize(Napi::Env env, uint64_t size) {
  if (size > static_cast<uint64_t>(kMaxExact)) {
    throw Napi::RangeError::New(env, "a size above 2^53 has no exact number");
  }
  return Napi::Number::New(env, static_cast<double>(size));
}

Napi::Number FromInteger(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

Napi::Value FromOptionalId(Napi::Env env, int64_t id) {
  if (id < 0) return env.Null();
  return FromInteger(env, id);
}

Napi::Value FromText(Napi::Env env, const std::string& text) {
  return Napi::String::New(env, text);
}

Napi::Array FromStrings(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), FromText(env, texts[i]));
  }
  return array;
}

Napi::Array FromIntegers(Napi::Env env, const std::vector<int64_t>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), FromInteger(env, values[i]));
  }
  return array;
}

Napi::Int32Array FromTokens(Napi::Env env, const std::vector<TokenId>& tokens) {
  auto array = Napi::Int32Array::New(env, tokens.size());
  if (!tokens.empty()) std::memcpy(array.Data(), tokens.data(), tokens.size() * sizeof(TokenId));
  return array;
}

Napi::Float32Array FromFloats(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
  return array;
}

Napi::Object FromStats(Napi::Env env, const StepStats& stats) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", FromInteger(env, stats.tokens));
  object.Set("timeMs", Napi::Number::New(env, stats.time_ms));
  object.Set("bytesRead", FromTiers(env, stats.bytes_read));
  object.Set("ffnBytesRead", FromTiers(env, stats.ffn_bytes_read));
  object.Set("ffnMs", Napi::Number::New(env, stats.ffn_ms));
  object.Set("fired", FromSizes(env, stats.fired));
  object.Set("neurons", FromSizes(env, stats.neurons));
  object.Set("computed", FromSizes(env, stats.computed));
  object.Set("predictorBytes", FromSizes(env, stats.predictor_bytes));
  Napi::Array times = Napi::Array::New(env, stats.predictor_ms.size());
  for (size_t i = 0; i < stats.predictor_ms.size(); ++i) {
    times.Set(static_cast<uint32_t>(i), stats.predictor_ms[i]);
  }
  object.Set("predictorMs", times);
  return object;
}

Napi::Array FromEvaluations(Napi::Env env, const std::vector<Evaluation>& evaluations) {
  Napi::Array array = Napi::Array::New(env, evaluations.size());
  for (size_t i = 0; i < evaluations.size(); ++i) {
    const Evaluation& evaluation = evaluations[i];
    Napi::Array logits = Napi::Array::New(env, evaluation.logits.size());
    for (size_t j = 0; j < evaluation.logits.size(); ++j) {
      logits.Set(static_cast<uint32_t>(j), FromFloats(env, evaluation.logits[j]));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("logits", logits);
    object.Set("stats", FromStats(env, evaluation.stats));
    if (!evaluation.audit.layers.empty()) object.Set("audit", FromAudit(env, evaluation.audit));
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Array FromMemory(Napi::Env env, const std::vector<TierMemory>& tiers) {
  Napi::Array array = Napi::Array::New(env, tiers.size());
  for (size_t i = 0; i < tiers.size(); ++i) {
    const TierMemory& tier = tiers[i];
    Napi::Object uses = Napi::Object::New(env);
    for (const auto& [purpose, bytes] : tier.uses) uses.Set(purpose, FromSize(env, bytes));
    Napi::Object object = Napi::Object::New(env);
    object.Set("tier", TierName(tier.tier));
    object.Set("budgetBytes", tier.budget == 0 ? env.Null() : FromSize(env, tier.budget));
    object.Set("plannedBytes", FromSize(env, tier.planned));
    object.Set("usedBytes", FromSize(env, tier.used));
    object.Set("peakBytes", FromSize(env, tier.peak));
    object.Set("uses", uses);
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Object FromHyperparameters(Napi::Env env, const Hyperparameters& model) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("arch", FromText(env, model.arch));
  object.Set("name", FromText(env, model.name));
  object.Set("layers", FromInteger(env, model.layers));
  object.Set("dModel", FromInteger(env, model.d_model));
  object.Set("nFf", FromIntegers(env, model.n_ff));
  object.Set("heads", FromInteger(env, model.heads));
  object.Set("kvHeads", FromInteger(env, model.kv_heads));
  object.Set("headDim", FromInteger(env, model.head_dim));
  object.Set("vocab", FromInteger(env, model.vocab));
  object.Set("context", FromInteger(env, model.context));
  object.Set("contextSource", FromText(env, model.context_source));
  object.Set("activation", FromText(env, model.activation));
  object.Set("activationSource", FromText(env, model.activation_source));
  object.Set("experts", FromInteger(env, model.experts));
  object.Set("synthetic", model.synthetic);
  return object;
}

}  // namespace thermocline::addon
