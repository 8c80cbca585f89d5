// The functions that JavaScript sees, by subject; each file registers its own.
#pragma once

#include <napi.h>

#include <exception>
#include <new>

#include "addon/environment.h"

namespace thermocline::addon {

// A function of the addon. Whatever C++ throws in it becomes a JavaScript exception.
template <Napi::Value (*Body)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  try {
    return Body(info);
  } catch (const Napi::Error&) {
    throw;  // on its way to JavaScript
  } catch (const std::bad_alloc&) {
    throw ToError(info.Env(), Status(StatusCode::kOutOfMemory, "the system has no memory left"));
  } catch (const std::exception& error) {
    throw ToError(info.Env(), Status(StatusCode::kInternal, error.what()));
  }
}

template <Napi::Value (*Body)(const Napi::CallbackInfo&)>
void Export(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Guarded<Body>>(exports.Env(), name));
}

void ExportEngineCalls(Napi::Object exports);
void ExportSessionCalls(Napi::Object exports);
void ExportObserveCalls(Napi::Object exports);
void ExportTokenizerCalls(Napi::Object exports);
void ExportInspectCalls(Napi::Object exports);
void ExportHostCalls(Napi::Object exports);
void ExportProbeCalls(Napi::Object exports);
void ExportKernelCalls(Napi::Object exports);
void ExportTrainCalls(Napi::Object exports);

}  // namespace thermocline::addon
