// The things of the core that JavaScript holds.
#pragma once

#include <memory>
#include <utility>

#include "addon/environment.h"
#include "addon/handle.h"
#include "engine/engine.h"
#include "engine/observer.h"
#include "tokenizer/tokenizer.h"

namespace thermocline::addon {

struct EngineHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4701};
  static constexpr const char* kName = "an engine";

  EngineHandle(std::shared_ptr<Environment> home, std::shared_ptr<Engine> opened)
      : environment(std::move(home)), engine(std::move(opened)) {}
  // A net for engines that were not closed; it does not make the collector wait.
  ~EngineHandle() { environment->CloseLater(std::move(engine)); }

  const std::shared_ptr<Environment> environment;
  std::shared_ptr<Engine> engine;
};

struct SessionHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4702};
  static constexpr const char* kName = "a session";

  SessionHandle(std::shared_ptr<Engine> of, std::shared_ptr<Session> opened)
      : engine(std::move(of)), session(std::move(opened)) {}
  ~SessionHandle() {
    if (!session->closed()) engine->CloseSession(std::move(session), [](Status) {});
  }

  const std::shared_ptr<Engine> engine;
  std::shared_ptr<Session> session;
};

// One reading of windows that is watched row by row.
struct ObservationHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4703};
  static constexpr const char* kName = "an observation";

  ~ObservationHandle() { observer->Cancel(); }

  std::shared_ptr<QueueObserver> observer;
};

// One reading of windows that is summed.
struct SumHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4704};
  static constexpr const char* kName = "a sum";

  std::shared_ptr<SumObserver> observer;
};

struct TokenizerHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4705};
  static constexpr const char* kName = "a tokenizer";

  std::shared_ptr<const Tokenizer> tokenizer;
};

}  // namespace thermocline::addon
