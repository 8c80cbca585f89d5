#include "addon/environment.h"

#include <algorithm>
#include <exception>
#include <new>

namespace thermocline::addon {
namespace {

// What instance data owns: the isolate's share of the environment.
using Share = std::shared_ptr<Environment>;

template <typename T>
void DropExpired(std::vector<std::weak_ptr<T>>& list) {
  std::erase_if(list, [](const auto& item) { return item.expired(); });
}

// Runs work of another thread's; nothing it throws may leave that thread.
void RunGuarded(const Call& call, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::bad_alloc&) {
    call.Reject(Status(StatusCode::kOutOfMemory, "the system has no memory left for this call"));
  } catch (const std::exception& error) {
    call.Reject(Status(StatusCode::kInternal, error.what()));
  }
}

}  // namespace

void Call::Resolve(MakeValue make) const {
  mailbox_->Post([id = id_, make = std::move(make)](Environment& environment) {
    environment.Finish(id, Status::Ok(), make);
  });
}

void Call::Reject(Status status) const {
  mailbox_->Post([id = id_, status = std::move(status)](Environment& environment) {
    environment.Finish(id, status, nullptr);
  });
}

void Call::Settle(Status status) const {
  if (status.ok()) {
    Resolve([](Napi::Env env) { return env.Undefined(); });
  } else {
    Reject(std::move(status));
  }
}

void Call::Notify(NotifyBody body) const {
  mailbox_->Post([id = id_, body = std::move(body)](Environment& environment) {
    environment.Deliver(id, body);
  });
}

void Environment::Create(Napi::Env env) {
  const Share environment(new Environment(env));
  environment->mailbox_ = Mailbox::Create(env, environment.get());
  if (environment->mailbox_ == nullptr) throw Napi::Error::New(env, "no threadsafe function");
  env.SetInstanceData(new Share(environment));
  // Runs before Node frees the threadsafe function, which was made earlier.
  napi_add_env_cleanup_hook(
      env, [](void* data) { static_cast<Environment*>(data)->End(); }, environment.get());
}

Environment& Environment::Of(Napi::Env env) { return **env.GetInstanceData<Share>(); }

Environment::Begun Environment::Begin(const std::vector<Napi::Value>& keep, Napi::Value listener) {
  Pending pending;
  napi_value promise = nullptr;
  if (napi_create_promise(env_, &pending.deferred, &promise) != napi_ok) {
    throw Napi::Error::New(env_);
  }
  Call call;
  call.mailbox_ = mailbox_;
  call.id_ = next_id_++;
  call.cancel_ = pending.cancel = std::make_shared<std::atomic<bool>>(false);
  for (const Napi::Value& value : keep) {
    pending.keep.push_back(Napi::Reference<Napi::Value>::New(value, 1));
  }
  if (!listener.IsEmpty()) pending.listener = Napi::Reference<Napi::Value>::New(listener, 1);
  Napi::Object value = Napi::Object::New(env_);
  value.Set("id", Napi::Number::New(env_, static_cast<double>(call.id_)));
  value.Set("promise", Napi::Value(env_, promise));
  if (pending_.empty()) mailbox_->KeepAlive(true);
  pending_.emplace(call.id_, std::move(pending));
  return {call, value};
}

void Environment::Cancel(uint64_t id) {
  const auto found = pending_.find(id);
  if (found != pending_.end()) found->second.cancel->store(true);
}

void Environment::RunFor(const Call& call, std::function<void()> body) {
  const bool runs = workers_.Run([call, body = std::move(body)] { RunGuarded(call, body); });
  if (!runs) call.Reject(Status(StatusCode::kOutOfMemory, "the system has no thread left"));
}

void Environment::WaitFor(const Call& call, std::function<void()> body) {
  const bool runs = waiters_.Run([call, body = std::move(body)] { RunGuarded(call, body); });
  if (!runs) call.Reject(Status(StatusCode::kOutOfMemory, "the system has no thread left"));
}

void Environment::Watch(const std::shared_ptr<Engine>& engine) {
  DropExpired(engines_);
  engines_.push_back(engine);
}

void Environment::Watch(const std::shared_ptr<QueueObserver>& observer) {
  DropExpired(observers_);
  observers_.push_back(observer);
}

void Environment::CloseLater(std::shared_ptr<Engine> engine) {
  // Without a worker (the isolate has ended, or no thread is left) it closes here and now.
  if (!workers_.Run([engine] { engine->Close(); })) engine->Close();
}

void Environment::Finish(uint64_t id, const Status& status, const Call::MakeValue& make) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const Napi::HandleScope scope(env_);
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending_.empty()) mailbox_->KeepAlive(false);
  // By the plain C interface, which reports a failure instead of throwing: in an isolate that is
  // being terminated nothing can be settled, and nobody is left to mind.
  const auto reject = [&](const Status& why) {
    try {
      napi_reject_deferred(env_, pending.deferred, ToError(env_, why).Value());
    } catch (const Napi::Error&) {
    }
  };
  if (!status.ok()) {
    reject(status);
    return;
  }
  try {
    napi_resolve_deferred(env_, pending.deferred, make(env_));
  } catch (const Napi::Error& error) {
    reject(Status(StatusCode::kInternal, error.Message()));
  } catch (const std::exception& error) {
    reject(Status(StatusCode::kOutOfMemory, std::string("no memory: ") + error.what()));
  }
}

void Environment::Deliver(uint64_t id, const Call::NotifyBody& body) {
  const auto found = pending_.find(id);
  if (found == pending_.end() || found->second.listener.IsEmpty()) return;
  const Napi::HandleScope scope(env_);
  // By the plain C interface: what a listener throws may be null, and is nobody's here to see.
  body(env_, found->second.listener.Value());
  bool thrown = false;
  if (napi_is_exception_pending(env_, &thrown) == napi_ok && thrown) {
    napi_value ignored = nullptr;
    napi_get_and_clear_last_exception(env_, &ignored);
  }
}

// The isolate ends, perhaps in the middle of a generation: whatever runs is stopped and waited
// for, because afterwards its memory and its code may be gone.
void Environment::End() {
  ended_ = true;
  mailbox_->Close();
  for (auto& [id, pending] : pending_) pending.cancel->store(true);
  for (const auto& weak : observers_) {
    if (const auto observer = weak.lock()) observer->Cancel();
  }
  for (const auto& weak : engines_) {
    if (const auto engine = weak.lock()) engine->Close();
  }
  workers_.Finish();
  waiters_.Finish();
  const Napi::HandleScope scope(env_);
  pending_.clear();
}

Napi::Error ToError(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::String::New(env, StatusCodeName(status.code())));
  if (!status.path().empty()) error.Set("path", Napi::String::New(env, status.path()));
  return error;
}

}  // namespace thermocline::addon
