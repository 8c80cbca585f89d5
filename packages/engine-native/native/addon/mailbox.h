// Hands work from any thread to the JavaScript thread of one isolate. Wake-ups are
// coalesced: however much is posted while JavaScript is busy, it is woken once.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace thermocline::addon {

class Environment;

class Mailbox {
 public:
  using Letter = std::function<void(Environment&)>;

  // REQUIRES: on the JavaScript thread; `environment` outlives the mailbox's Close.
  static std::shared_ptr<Mailbox> Create(napi_env env, Environment* environment);

  // From any thread. After Close the letter is dropped.
  void Post(Letter letter);

  // The rest is for the JavaScript thread.

  // An idle isolate may end; one with a call in flight may not.
  void KeepAlive(bool keep);
  // Drops what is queued; nothing is delivered any more.
  void Close();

 private:
  static void Deliver(napi_env env, napi_value, void* context, void* data);

  Environment* environment_ = nullptr;
  napi_env env_ = nullptr;
  std::mutex mutex_;  // guards the rest
  std::vector<Letter> letters_;
  napi_threadsafe_function wake_ = nullptr;  // null once closed
};

}  // namespace thermocline::addon
