// JavaScript objects that stand for things of the core. Each kind has a tag, so that a
// wrong object is a TypeError and never a wrong cast.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

namespace thermocline::addon {

// REQUIRES: T has `static constexpr napi_type_tag kTag` and `static constexpr const char* kName`.
// T is destroyed on the JavaScript thread when the object is collected or the isolate ends.
template <typename T>
Napi::Object WrapHandle(Napi::Env env, std::unique_ptr<T> value) {
  Napi::Object object = Napi::Object::New(env);
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, object, value.get(), finalize, nullptr, nullptr) != napi_ok) {
    throw Napi::Error::New(env);
  }
  value.release();
  if (napi_type_tag_object(env, object, &T::kTag) != napi_ok) throw Napi::Error::New(env);
  return object;
}

template <typename T>
T& UnwrapHandle(Napi::Env env, Napi::Value value) {
  bool tagged = false;
  void* data = nullptr;
  if (!value.IsObject() || napi_check_object_type_tag(env, value, &T::kTag, &tagged) != napi_ok ||
      !tagged || napi_unwrap(env, value, &data) != napi_ok) {
    throw Napi::TypeError::New(env, std::string("not a handle of ") + T::kName);
  }
  return *static_cast<T*>(data);
}

}  // namespace thermocline::addon
