// The scheduler alone, with arithmetic that costs nothing.
#include "engine/scheduler.h"

#include <atomic>
#include <new>
#include <thread>

#include "util/testing.h"

namespace thermocline {
namespace {

// What jobs have in common here: `turns` computations, then the end.
struct Script {
  Mode mode = Mode::kDense;
  int turns = 1;
  bool exhausts_memory = false;
  std::shared_ptr<Observer> observer;
  std::function<void(Status)> ended = [](Status) {};
};

class ScriptedJob : public Job {
 public:
  explicit ScriptedJob(Script script) : Job({}), script_(std::move(script)) {}

  Mode mode() const override { return script_.mode; }
  std::shared_ptr<Observer> observer() const override { return script_.observer; }
  Status Begin() override {
    if (script_.exhausts_memory) throw std::bad_alloc();
    return Status::Ok();
  }
  bool done() const override { return taken_ == script_.turns; }
  std::vector<Slice> Next(int64_t) override {
    Slice slice;
    slice.tokens = {1};
    return {slice};
  }
  Status Take(const Slice&, SliceOutcome) override {
    ++taken_;
    return Status::Ok();
  }
  void Finish() override { script_.ended(Status::Ok()); }
  void Fail(Status status) override { script_.ended(std::move(status)); }

 private:
  const Script script_;
  int taken_ = 0;
};

class DeafObserver : public Observer {
 public:
  bool Wants(int64_t, Stream) const override { return false; }
  Status OnRows(const ObservedRows&) override { return Status::Ok(); }
};

Status ComputeNothing(std::span<const Slice> slices, const BatchOptions&,
                      const std::function<bool()>&, std::vector<SliceOutcome>* outcomes) {
  outcomes->resize(slices.size());
  return Status::Ok();
}

// Several threads queue for the lock, so that the scheduler is often interrupted as it lets go.
TEST(Scheduler, NothingAddedWhileItClosesIsForgotten) {
  for (int round = 0; round < 150; ++round) {
    std::atomic<int> added{0};
    std::atomic<int> ended{0};
    std::atomic<bool> closed{false};
    {
      Scheduler scheduler(ComputeNothing, 8);
      std::vector<std::thread> adders;
      for (int i = 0; i < 3; ++i) {
        adders.emplace_back([&] {
          while (!closed) {
            Script script;
            script.ended = [&](Status status) {
              if (!status.ok()) closed = true;
              ++ended;
            };
            ++added;
            scheduler.Add(std::make_unique<ScriptedJob>(std::move(script)));
          }
        });
      }
      while (added < 10) std::this_thread::yield();
      scheduler.Close();
      closed = true;
      for (std::thread& adder : adders) adder.join();
    }
    EXPECT_EQ(ended.load(), added.load());
    if (ended != added) return;
  }
}

// Two modes take turns for ever; a watched job can share a batch with neither.
TEST(Scheduler, EveryJobGetsItsTurn) {
  Scheduler scheduler(ComputeNothing, 8);
  std::atomic<bool> watched{false};
  std::atomic<int> others{0};
  for (const Mode mode : {Mode::kDense, Mode::kExact}) {
    Script endless;
    endless.mode = mode;
    endless.turns = -1;
    endless.ended = [&](Status status) {
      EXPECT_STATUS(status, StatusCode::kClosed);
      ++others;
    };
    scheduler.Add(std::make_unique<ScriptedJob>(std::move(endless)));
  }
  Script script;
  script.turns = 3;
  script.observer = std::make_shared<DeafObserver>();
  script.ended = [&](Status status) {
    EXPECT_OK(status);
    watched = true;
  };
  scheduler.Add(std::make_unique<ScriptedJob>(std::move(script)));
  for (int i = 0; i < 1000 && !watched; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(watched.load());
  scheduler.Close();
  EXPECT_EQ(others.load(), 2);
}

TEST(Scheduler, MemoryThatRunsOutEndsTheJobAndNotTheProcess) {
  Scheduler scheduler(ComputeNothing, 8);
  std::atomic<int> ended{0};
  Script script;
  script.exhausts_memory = true;
  script.ended = [&](Status status) {
    EXPECT_STATUS(status, StatusCode::kOutOfMemory);
    ++ended;
  };
  scheduler.Add(std::make_unique<ScriptedJob>(script));
  script.exhausts_memory = false;
  script.ended = [&](Status status) {
    EXPECT_OK(status);
    ++ended;
  };
  scheduler.Add(std::make_unique<ScriptedJob>(script));
  for (int i = 0; i < 1000 && ended < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(ended.load(), 2);
}

}  // namespace
}  // namespace thermocline
