// Between JavaScript values and the core's. Reading throws a TypeError or RangeError that
// names the field; the TypeScript above checks first and says it better.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace thermocline::addon {

// Reading.
std::string ReadString(Napi::Value value, const char* name);
double ReadDouble(Napi::Value value, const char* name);
int64_t ReadInteger(Napi::Value value, const char* name);  // within ±2^53
uint64_t ReadSize(Napi::Value value, const char* name);    // 0 to 2^53
bool ReadBool(Napi::Value value, const char* name);
Mode ReadMode(Napi::Value value);
DType ReadKvType(Napi::Value value);
std::vector<TokenId> ReadTokens(Napi::Value value, const char* name);     // Int32Array
std::vector<int64_t> ReadIndices(Napi::Value value, const char* name);    // Int32Array
std::vector<std::string> ReadStrings(Napi::Value value, const char* name);
Napi::Object ReadObject(Napi::Value value, const char* name);
Napi::Array ReadArray(Napi::Value value, const char* name);

// Writing. Sizes above 2^53 would lose their last digits and throw a RangeError instead.
Napi::Number FromSize(Napi::Env env, uint64_t size);
Napi::Number FromInteger(Napi::Env env, int64_t value);
Napi::Value FromOptionalId(Napi::Env env, int64_t id);  // null below 0
Napi::Value FromText(Napi::Env env, const std::string& text);
Napi::Array FromStrings(Napi::Env env, const std::vector<std::string>& texts);
Napi::Array FromIntegers(Napi::Env env, const std::vector<int64_t>& values);
Napi::Int32Array FromTokens(Napi::Env env, const std::vector<TokenId>& tokens);
Napi::Float32Array FromFloats(Napi::Env env, const std::vector<float>& values);
Napi::Object FromStats(Napi::Env env, const StepStats& stats);
Napi::Array FromEvaluations(Napi::Env env, const std::vector<Evaluation>& evaluations);
Napi::Array FromMemory(Napi::Env env, const std::vector<TierMemory>& tiers);
Napi::Object FromHyperparameters(Napi::Env env, const Hyperparameters& model);

}  // namespace thermocline::addon
