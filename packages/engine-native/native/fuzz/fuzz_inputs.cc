// Feeds damaged models and artifacts to the readers and watches what they do: no
// crash, no hang, no large allocation. Deterministic: a seed and a case number name
// an input. Meant to be built with the address and undefined-behaviour sanitizers.
//
//   fuzz_inputs [--cases N] [--seed S] [--seconds T] [--first I]
//   fuzz_inputs --target NAME --file NAME --replay FILE
//
// The cases run in a child process, which notes the number of the case it is at in
// memory it shares with its parent. However the child dies, the parent makes the
// input again from that number, saves it, and goes on behind it.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/allocation_meter.h"
#include "fuzz/exercise.h"
#include "fuzz/mutate.h"
#include "fuzz/targets.h"

namespace thermocline::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMaxSeconds = 2;
constexpr uint64_t kMaxAllocationFactor = 8;
constexpr uint64_t kMaxAllocationBytes = 16 << 20;
constexpr uint64_t kMaxDeaths = 20;

struct Options {
  uint64_t cases = 100'000;
  uint64_t seed = 1;
  uint64_t first = 0;
  double seconds = 1e9;
  std::string target;
  std::string file;
  std::string replay;
};

// Shared by parent and child.
struct Progress {
  std::atomic<uint64_t> next = 0;  // the case in progress, or to be done next
  std::atomic<uint64_t> n_passed = 0;
  std::atomic<uint64_t> n_failed = 0;
  std::atomic<uint64_t> n_accepted = 0;
  std::atomic<uint64_t> max_allocated = 0;
};

unsigned long long Wide(uint64_t n) { return n; }

// One changed input, made from the seed and its number alone.
struct Case {
  const Target* target = nullptr;
  const TargetFile* file = nullptr;
  std::string bytes;
};

Case MakeCase(const std::vector<Target>& targets, const std::vector<std::string>& others,
              uint64_t seed, uint64_t number) {
  Random random(seed, number);
  Case result;
  result.target = &targets[random.Below(targets.size())];
  result.file = &result.target->files[random.Below(result.target->files.size())];
  result.bytes = Mutate(result.file->bytes, result.file->kind, others, random);
  return result;
}

void ReportFailure(const Case& failed, uint64_t number, const std::string& reason) {
  const std::string name = "fuzz-failure-" + std::to_string(number) + ".bin";
  WriteFile(name, failed.bytes);
  std::printf("FAILED case %llu: %s\n  replay: fuzz_inputs --target %s --file %s --replay %s\n",
              Wide(number), reason.c_str(), failed.target->name.c_str(),
              failed.file->name.c_str(), name.c_str());
  std::fflush(stdout);
}

// Runs what lies on disk. The answer is what is wrong with how it went, or "".
std::string RunTarget(const Target& target, uint64_t bytes, Progress& progress) {
  ResetAllocatedBytes();
  ::alarm(kMaxSeconds + 1);  // ends the child when a case hangs
  const auto start = Clock::now();
  const bool accepted =
      target.is_artifact ? ExerciseArtifact(target.path) : ExerciseModel(target.path);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ::alarm(0);
  const uint64_t allocated = AllocatedBytes();
  progress.n_accepted += accepted ? 1 : 0;
  progress.max_allocated = std::max(progress.max_allocated.load(), allocated);
  const uint64_t limit = kMaxAllocationFactor * bytes + kMaxAllocationBytes;
  if (allocated > limit) {
    return "it allocated " + std::to_string(allocated) + " bytes, the limit is " +
           std::to_string(limit);
  }
  return seconds > kMaxSeconds ? "it took " + std::to_string(seconds) + " seconds" : "";
}

bool PutOnDisk(const Target& target, const TargetFile& file, const std::string& bytes) {
  if (WriteFile(target.FilePath(file), bytes)) return true;
  std::fprintf(stderr, "cannot write %s\n", target.FilePath(file).c_str());
  return false;
}

// The child's part: cases until they or the time are over. False when it cannot go on.
bool RunCases(const Options& options, const std::vector<Target>& targets,
              const std::vector<std::string>& others, Clock::time_point start,
              Progress& progress) {
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double next_report = elapsed() + 30;
  for (; progress.next < options.first + options.cases; ++progress.next) {
    if (elapsed() > options.seconds) break;
    const uint64_t number = progress.next;
    const Case changed = MakeCase(targets, others, options.seed, number);
    const Target& target = *changed.target;
    if (!PutOnDisk(target, *changed.file, changed.bytes)) return false;
    const uint64_t bytes = target.total_bytes - changed.file->bytes.size() + changed.bytes.size();
    const std::string problem = RunTarget(target, bytes, progress);
    if (problem.empty()) {
      ++progress.n_passed;
    } else {
      ++progress.n_failed;
      ReportFailure(changed, number, problem);
    }
    if (target.files.size() > 1 && !PutOnDisk(target, *changed.file, changed.file->bytes)) {
      return false;
    }
    if (elapsed() > next_report) {
      std::printf("%llu cases in %.0f s\n", Wide(number - options.first + 1), elapsed());
      std::fflush(stdout);
      next_report += 30;
    }
  }
  return true;
}

// The sound inputs first: they cost the most, so they must hold the limits too.
bool RunSoundInputs(const std::vector<Target>& targets, Progress& progress) {
  for (const Target& target : targets) {
    const std::string problem = RunTarget(target, target.total_bytes, progress);
    if (problem.empty()) continue;
    std::printf("FAILED on the sound input %s: %s\n", target.name.c_str(), problem.c_str());
    return false;
  }
  std::printf("%llu of %zu sound inputs accepted, at most %.2f MiB allocated in one\n",
              Wide(progress.n_accepted), targets.size(),
              static_cast<double>(progress.max_allocated) / (1 << 20));
  std::fflush(stdout);
  progress.n_accepted = 0;
  return true;
}

std::string DescribeDeath(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "it hung";
  if (WIFSIGNALED(status)) return "it died of signal " + std::to_string(WTERMSIG(status));
  return "it ended the process with code " + std::to_string(WEXITSTATUS(status));
}

constexpr int kDone = 0;
constexpr int kCannotGoOn = 3;

// Runs `body` in a child process and gives its wait status.
template <typename Body>
int InChild(Body body) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool ok = body();
    std::fflush(stdout);
    ::_exit(ok ? kDone : kCannotGoOn);
  }
  int status = kCannotGoOn << 8;
  if (child > 0) ::waitpid(child, &status, 0);
  return status;
}

int Fuzz(const Options& options, const std::vector<Target>& targets, Progress& progress) {
  std::vector<std::string> others;
  for (const Target& target : targets) {
    for (const TargetFile& file : target.files) others.push_back(file.bytes);
  }
  const auto start = Clock::now();
  progress.next = options.first;
  if (InChild([&] { return RunSoundInputs(targets, progress); }) != kDone) {
    std::printf("0 passed, 1 failed\n");
    return 1;
  }
  for (uint64_t n_deaths = 0; n_deaths < kMaxDeaths; ++n_deaths) {
    const int status =
        InChild([&] { return RunCases(options, targets, others, start, progress); });
    if (status == kDone) break;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotGoOn) return 2;
    const Case failed = MakeCase(targets, others, options.seed, progress.next);
    ReportFailure(failed, progress.next, DescribeDeath(status));
    PutOnDisk(*failed.target, *failed.file, failed.file->bytes);
    ++progress.n_failed;
    ++progress.next;
  }
  std::printf("%.0f s, seed %llu, %llu inputs accepted, at most %.2f MiB allocated in a case\n",
              std::chrono::duration<double>(Clock::now() - start).count(), Wide(options.seed),
              Wide(progress.n_accepted), static_cast<double>(progress.max_allocated) / (1 << 20));
  std::printf("%llu passed, %llu failed\n", Wide(progress.n_passed), Wide(progress.n_failed));
  return progress.n_failed == 0 ? 0 : 1;
}

int Replay(const Options& options, const std::vector<Target>& targets, Progress& progress) {
  std::string bytes;
  if (!ReadFile(options.replay, bytes)) {
    std::fprintf(stderr, "cannot read %s\n", options.replay.c_str());
    return 2;
  }
  for (const Target& target : targets) {
    for (const TargetFile& file : target.files) {
      if (target.name != options.target || file.name != options.file) continue;
      if (!PutOnDisk(target, file, bytes)) return 2;
      const uint64_t total = target.total_bytes - file.bytes.size() + bytes.size();
      const std::string problem = RunTarget(target, total, progress);
      if (!problem.empty()) std::printf("%s\n", problem.c_str());
      std::printf("%.2f MiB allocated\n%d passed, %d failed\n",
                  static_cast<double>(progress.max_allocated) / (1 << 20), problem.empty() ? 1 : 0,
                  problem.empty() ? 0 : 1);
      return problem.empty() ? 0 : 1;
    }
  }
  std::fprintf(stderr, "there is no target of that name and file\n");
  return 2;
}

bool ParseOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--cases") options.cases = std::strtoull(value, nullptr, 10);
    else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--first") options.first = std::strtoull(value, nullptr, 10);
    else if (name == "--seconds") options.seconds = std::strtod(value, nullptr);
    else if (name == "--target") options.target = value;
    else if (name == "--file") options.file = value;
    else if (name == "--replay") options.replay = value;
    else return false;
  }
  return argc % 2 == 1;
}

// A folder in memory where there is one: a case writes a file, and a disk would wear.
std::string MakeWorkFolder() {
  std::error_code error;
  const bool has_shm = std::filesystem::is_directory("/dev/shm", error);
  std::string folder = (has_shm ? std::string("/dev/shm") : std::string("/tmp")) +
                       "/thermocline-fuzz-XXXXXX";
  return ::mkdtemp(folder.data()) != nullptr ? folder : std::string();
}

}  // namespace

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: fuzz_inputs [--cases N] [--seed S] [--seconds T] [--first I]\n"
                 "       fuzz_inputs --target NAME --file NAME --replay FILE\n");
    return 2;
  }
#if !defined(__SANITIZE_ADDRESS__)
  std::printf("note: built without the address sanitizer\n");
#endif
  void* shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const std::string folder = MakeWorkFolder();
  if (shared == MAP_FAILED || folder.empty()) {
    std::fprintf(stderr, "cannot make a work folder\n");
    return 2;
  }
  Progress& progress = *new (shared) Progress;
  const auto targets = LoadTargets(TC_REPO_ROOT, folder);
  int code = 2;
  if (targets.empty()) {
    std::fprintf(stderr, "the fixtures are missing; run native/fuzz/make_fixtures.py\n");
  } else {
    code = options.replay.empty() ? Fuzz(options, targets, progress)
                                  : Replay(options, targets, progress);
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  return code;
}

}  // namespace thermocline::fuzz

int main(int argc, char** argv) { return thermocline::fuzz::Main(argc, argv); }
