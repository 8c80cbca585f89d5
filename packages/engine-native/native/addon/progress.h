// Tells the listener of a call how far it has come.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/environment.h"

namespace thermocline::addon {

// Reports come as fast as they like; JavaScript hears the newest, once per wake-up.
struct Progress {
  explicit Progress(Call to) : call(std::move(to)) {}

  // From any thread.
  static void Report(const std::shared_ptr<Progress>& progress, double fraction) {
    progress->newest = fraction;
    if (progress->posted.exchange(true)) return;
    progress->call.Notify([progress](Napi::Env env, napi_value listener) {
      progress->posted = false;
      napi_value argument = Napi::Number::New(env, progress->newest);
      napi_call_function(env, env.Undefined(), listener, 1, &argument, nullptr);
    });
  }

  const Call call;
  std::atomic<double> newest{0};
  std::atomic<bool> posted{false};
};

// For the `progress` of a core's options.
inline std::function<void(double)> ProgressOf(const Call& call) {
  const auto progress = std::make_shared<Progress>(call);
  return [progress](double fraction) { Progress::Report(progress, fraction); };
}

}  // namespace thermocline::addon
