// The module's entry: one environment per isolate, then the functions.
#include <napi.h>

#include "addon/calls.h"
#include "addon/convert.h"

namespace thermocline::addon {
namespace {

// cancel(id): the call with this id, if it still runs, ends early.
Napi::Value CancelCall(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).Cancel(ReadSize(info[0], "id"));
  return info.Env().Undefined();
}

Napi::Object Load(Napi::Env env, Napi::Object exports) {
  Environment::Create(env);
  Export<CancelCall>(exports, "cancel");
  ExportEngineCalls(exports);
  ExportSessionCalls(exports);
  ExportObserveCalls(exports);
  ExportTokenizerCalls(exports);
  ExportInspectCalls(exports);
  ExportHostCalls(exports);
  ExportProbeCalls(exports);
  ExportKernelCalls(exports);
  ExportTrainCalls(exports);
  return exports;
}

}  // namespace
}  // namespace thermocline::addon

static Napi::Object LoadThermocline(Napi::Env env, Napi::Object exports) {
  return thermocline::addon::Load(env, exports);
}
NODE_API_MODULE(thermocline, LoadThermocline)
