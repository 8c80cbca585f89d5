// What the addon keeps for one isolate (the main thread or a worker thread): the calls
// in flight, the engines that are open, and how they end when the isolate ends.
#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "addon/mailbox.h"
#include "addon/workers.h"
#include "engine/engine.h"
#include "engine/observer.h"

namespace thermocline::addon {

class Environment;

// A call in flight, as other threads see it: it can be settled and it can notify its
// listener. It owns nothing of JavaScript, so it may be copied and dropped anywhere.
class Call {
 public:
  using MakeValue = std::function<Napi::Value(Napi::Env)>;
  using NotifyBody = std::function<void(Napi::Env, napi_value listener)>;

  const CancelFlag& cancel() const { return cancel_; }

  // Each once, from any thread; what comes after the first is ignored.
  void Resolve(MakeValue make) const;
  void Reject(Status status) const;
  void Settle(Status status) const;  // resolves with undefined, or rejects

  // Calls `body` on the JavaScript thread while the call is in flight.
  void Notify(NotifyBody body) const;

 private:
  friend class Environment;
  std::shared_ptr<Mailbox> mailbox_;
  uint64_t id_ = 0;
  CancelFlag cancel_;
};

// For the JavaScript thread, except where it says otherwise.
class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // Makes the isolate's environment; called once, when the addon is loaded.
  static void Create(Napi::Env env);
  static Environment& Of(Napi::Env env);

  bool ended() const { return ended_; }

  // Begins a call. `keep`: handles that must not be collected while it runs. `listener`: a
  // function to notify, or empty. `value` is what JavaScript gets: {id, promise}.
  struct Begun {
    Call call;
    Napi::Value value;
  };
  Begun Begin(const std::vector<Napi::Value>& keep, Napi::Value listener = Napi::Value());
  // Sets the call's cancel flag; nothing happens when it has ended.
  void Cancel(uint64_t id);

  // Runs `body` off this thread; bad_alloc and the like become a rejection.
  void RunFor(const Call& call, std::function<void()> body);
  // The same for bodies that wait on the engine, so that they never hold up others.
  void WaitFor(const Call& call, std::function<void()> body);

  // Remembers what has to end with the isolate.
  void Watch(const std::shared_ptr<Engine>& engine);
  void Watch(const std::shared_ptr<QueueObserver>& observer);
  // Closes an engine that nobody reaches any more, without waiting for it. From any thread.
  void CloseLater(std::shared_ptr<Engine> engine);

 private:
  friend class Call;
  struct Pending {
    napi_deferred deferred = nullptr;
    std::vector<Napi::Reference<Napi::Value>> keep;
    Napi::Reference<Napi::Value> listener;
    CancelFlag cancel;
  };

  explicit Environment(Napi::Env env) : env_(env) {}
  void End();
  void Finish(uint64_t id, const Status& status, const Call::MakeValue& make);
  void Deliver(uint64_t id, const Call::NotifyBody& body);

  Napi::Env env_;
  std::shared_ptr<Mailbox> mailbox_;
  Workers workers_{4};
  Workers waiters_{256};
  std::map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 1;
  std::vector<std::weak_ptr<Engine>> engines_;
  std::vector<std::weak_ptr<QueueObserver>> observers_;
  bool ended_ = false;
};

// The one place where a Status becomes a JavaScript error: {code, message, path}.
Napi::Error ToError(Napi::Env env, const Status& status);

}  // namespace thermocline::addon
