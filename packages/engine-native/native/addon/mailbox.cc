#include "addon/mailbox.h"

#include "addon/environment.h"

namespace thermocline::addon {

std::shared_ptr<Mailbox> Mailbox::Create(napi_env env, Environment* environment) {
  auto mailbox = std::make_shared<Mailbox>();
  mailbox->environment_ = environment;
  mailbox->env_ = env;
  napi_value name = nullptr;
  napi_create_string_utf8(env, "thermocline", NAPI_AUTO_LENGTH, &name);
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                      mailbox.get(), &Mailbox::Deliver, &mailbox->wake_);
  if (status != napi_ok) return nullptr;
  napi_unref_threadsafe_function(env, mailbox->wake_);
  return mailbox;
}

void Mailbox::Post(Letter letter) {
  const std::lock_guard lock(mutex_);
  if (wake_ == nullptr) return;
  letters_.push_back(std::move(letter));
  // Only the first letter wakes; Deliver takes all there are.
  if (letters_.size() == 1) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Mailbox::Deliver(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the isolate has ended, and perhaps the mailbox with it
  auto* const mailbox = static_cast<Mailbox*>(context);
  std::vector<Letter> letters;
  {
    const std::lock_guard lock(mailbox->mutex_);
    if (mailbox->wake_ == nullptr) return;
    letters.swap(mailbox->letters_);
  }
  // A letter may run JavaScript that ends the isolate, and with it everything but this.
  const std::shared_ptr<Environment> environment = mailbox->environment_->shared_from_this();
  for (const Letter& letter : letters) {
    if (environment->ended()) break;
    letter(*environment);
  }
}

void Mailbox::KeepAlive(bool keep) {
  const std::lock_guard lock(mutex_);
  if (wake_ == nullptr) return;
  if (keep) {
    napi_ref_threadsafe_function(env_, wake_);
  } else {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

void Mailbox::Close() {
  std::vector<Letter> dropped;
  const std::lock_guard lock(mutex_);
  wake_ = nullptr;  // Node frees it with the isolate
  dropped.swap(letters_);
}

}  // namespace thermocline::addon
