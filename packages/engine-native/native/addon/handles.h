// The things of the core that JavaScript holds.
#pragma once

#include <memory>
#include <utility>

#include "addon/environment.h"
#include "addon/handle.h"
#include "engine/engine.h"
#include "engine/observer.h"
#include "engine/sum_observer.h"
#include "tokenizer/tokenizer.h"

namespace thermocline::addon {

// An engine that JavaScript can reach, directly or through one of its sessions. When nothing
// reaches it any more it is closed: a net for engines that nobody closed, and it does not make
// the collector wait. Never owned by a job of the engine, whose thread could not close it.
struct OpenEngine {
  OpenEngine(std::shared_ptr<Environment> home, std::shared_ptr<Engine> opened)
      : environment(std::move(home)), engine(std::move(opened)) {}
  ~OpenEngine() { environment->CloseLater(engine); }

  const std::shared_ptr<Environment> environment;
  const std::shared_ptr<Engine> engine;
};

struct EngineHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4701};
  static constexpr const char* kName = "an engine";

  explicit EngineHandle(std::shared_ptr<OpenEngine> opened) : open(std::move(opened)) {}
  Engine& engine() const { return *open->engine; }

  const std::shared_ptr<OpenEngine> open;
};

struct SessionHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4702};
  static constexpr const char* kName = "a session";

  SessionHandle(std::shared_ptr<OpenEngine> of, std::shared_ptr<Session> opened)
      : open(std::move(of)), session(std::move(opened)) {}
  ~SessionHandle() {
    if (!session->closed()) engine().CloseSession(session, [](Status) {});
  }
  Engine& engine() const { return *open->engine; }

  const std::shared_ptr<OpenEngine> open;
  const std::shared_ptr<Session> session;
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

  SumHandle(std::shared_ptr<OpenEngine> of, std::shared_ptr<SumObserver> sums)
      : open(std::move(of)), observer(std::move(sums)) {}

  const std::shared_ptr<OpenEngine> open;
  const std::shared_ptr<SumObserver> observer;
};

struct TokenizerHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4705};
  static constexpr const char* kName = "a tokenizer";

  std::shared_ptr<const Tokenizer> tokenizer;
};

}  // namespace thermocline::addon
