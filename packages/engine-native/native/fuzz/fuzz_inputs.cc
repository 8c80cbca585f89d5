// Feeds damaged models and artifacts to the readers and watches what they do: no
// crash, no hang, no large allocation. Deterministic: a seed and a case number name
// an input. Meant to be built with the address and undefined-behaviour sanitizers.
//
//   fuzz_inputs [--cases N] [--seed S] [--seconds T] [--first I]
//   fuzz_inputs --target NAME --file NAME --replay FILE
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/allocation_meter.h"
#include "fuzz/exercise.h"
#include "fuzz/mutate.h"
#include "fuzz/targets.h"

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace thermocline::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMaxSeconds = 2;
constexpr uint64_t kMaxAllocationFactor = 8;
constexpr uint64_t kMaxAllocationBytes = 16 << 20;

struct Options {
  uint64_t cases = 100'000;
  uint64_t seed = 1;
  uint64_t first = 0;
  double seconds = 1e9;
  std::string target;
  std::string file;
  std::string replay;
};

// The case in progress, for whoever ends it: the handlers below read it while the
// process is dying, so it is plain memory and they make plain system calls.
struct CurrentCase {
  const char* target = "";
  const char* file = "";
  const char* bytes = nullptr;
  size_t size = 0;
  uint64_t number = 0;
  uint64_t n_passed = 0;
  uint64_t n_accepted = 0;
};
CurrentCase current;

void SaveCurrentCase(const char* reason) {
  if (current.bytes == nullptr) return;
  char name[128];
  std::snprintf(name, sizeof(name), "fuzz-failure-%llu.bin",
                static_cast<unsigned long long>(current.number));
  const int fd = ::open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0) {
    const ssize_t written = ::write(fd, current.bytes, current.size);
    (void)written;
    ::close(fd);
  }
  std::printf("FAILED case %llu: %s\n  replay: fuzz_inputs --target %s --file %s --replay %s\n",
              static_cast<unsigned long long>(current.number), reason, current.target,
              current.file, name);
  std::fflush(stdout);
}

void OnDeath() {
  SaveCurrentCase("the sanitizer stopped it");
  std::printf("%llu passed, 1 failed\n", static_cast<unsigned long long>(current.n_passed));
  std::fflush(stdout);
}

void OnAlarm(int) {
  SaveCurrentCase("it took longer than 2 seconds");
  std::printf("%llu passed, 1 failed\n", static_cast<unsigned long long>(current.n_passed));
  std::fflush(stdout);
  ::_exit(1);
}

// Runs one input that lies on disk already. False, with the reason printed, when it
// allocated too much.
bool RunCase(const Target& target, const TargetFile& file, const std::string& bytes,
             uint64_t number) {
  current = {target.name.c_str(), file.name.c_str(), bytes.data(), bytes.size(), number,
             current.n_passed, current.n_accepted};
  const uint64_t size = target.total_bytes - file.bytes.size() + bytes.size();
  ResetAllocatedBytes();
  ::alarm(kMaxSeconds + 1);
  const auto start = Clock::now();
  const bool accepted =
      target.is_artifact ? ExerciseArtifact(target.path) : ExerciseModel(target.path);
  current.n_accepted += accepted ? 1 : 0;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ::alarm(0);
  const uint64_t allocated = AllocatedBytes();
  const uint64_t limit = kMaxAllocationFactor * size + kMaxAllocationBytes;
  bool ok = true;
  if (allocated > limit) {
    std::printf("allocated %llu bytes, the limit is %llu\n",
                static_cast<unsigned long long>(allocated),
                static_cast<unsigned long long>(limit));
    SaveCurrentCase("it allocated too much");
    ok = false;
  } else if (seconds > kMaxSeconds) {
    SaveCurrentCase("it took longer than 2 seconds");
    ok = false;
  }
  current.bytes = nullptr;
  return ok;
}

int Replay(const Options& options, const std::vector<Target>& targets) {
  std::string bytes;
  if (!ReadFile(options.replay, bytes)) {
    std::fprintf(stderr, "cannot read %s\n", options.replay.c_str());
    return 2;
  }
  for (const Target& target : targets) {
    for (const TargetFile& file : target.files) {
      if (target.name != options.target || file.name != options.file) continue;
      if (!WriteFile(target.FilePath(file), bytes)) return 2;
      const bool ok = RunCase(target, file, bytes, 0);
      std::printf("%d passed, %d failed\n", ok ? 1 : 0, ok ? 0 : 1);
      return ok ? 0 : 1;
    }
  }
  std::fprintf(stderr, "there is no target of that name and file\n");
  return 2;
}

// Weights are large and carry no structure: change one of the small files instead,
// most of the time.
const TargetFile& ChooseFile(const Target& target, Random& random) {
  return target.files[random.Below(target.files.size())];
}

int Fuzz(const Options& options, const std::vector<Target>& targets) {
  std::vector<std::string> others;
  for (const Target& target : targets) {
    for (const TargetFile& file : target.files) others.push_back(file.bytes);
  }
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };

  uint64_t max_allocated = 0;
  // The sound inputs first: they cost the most, so they must hold the limits too.
  for (const Target& target : targets) {
    if (!RunCase(target, target.files[0], target.files[0].bytes, 0)) return 1;
    max_allocated = std::max(max_allocated, AllocatedBytes());
  }
  std::printf("%llu of %zu sound inputs accepted, the largest with %.2f MiB allocated\n",
              static_cast<unsigned long long>(current.n_accepted), targets.size(),
              static_cast<double>(max_allocated) / (1 << 20));
  current.n_accepted = 0;
  uint64_t n_failed = 0;
  double next_report = 30;
  for (uint64_t i = options.first; i < options.first + options.cases; ++i) {
    if (elapsed() > options.seconds) break;
    Random random(options.seed, i);
    const Target& target = targets[random.Below(targets.size())];
    const TargetFile& file = ChooseFile(target, random);
    const std::string bytes = Mutate(file.bytes, file.kind, others, random);
    const std::string path = target.FilePath(file);
    if (!WriteFile(path, bytes)) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 2;
    }
    if (RunCase(target, file, bytes, i)) {
      ++current.n_passed;
    } else {
      ++n_failed;
    }
    max_allocated = std::max(max_allocated, AllocatedBytes());
    if (target.files.size() > 1 && !WriteFile(path, file.bytes)) return 2;
    if (elapsed() > next_report) {
      std::printf("%llu cases in %.0f s\n", static_cast<unsigned long long>(i - options.first + 1),
                  elapsed());
      std::fflush(stdout);
      next_report += 30;
    }
  }
  std::printf("%.0f s, seed %llu, %llu inputs accepted, at most %.2f MiB allocated in a case\n",
              elapsed(), static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(current.n_accepted),
              static_cast<double>(max_allocated) / (1 << 20));
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(current.n_passed),
              static_cast<unsigned long long>(n_failed));
  return n_failed == 0 ? 0 : 1;
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
    std::fprintf(stderr, "usage: fuzz_inputs [--cases N] [--seed S] [--seconds T] [--first I]\n"
                         "       fuzz_inputs --target NAME --file NAME --replay FILE\n");
    return 2;
  }
  std::signal(SIGALRM, OnAlarm);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(OnDeath);
#else
  std::printf("note: built without the address sanitizer\n");
  (void)OnDeath;
#endif
  const std::string folder = MakeWorkFolder();
  const auto targets = LoadTargets(TC_REPO_ROOT, folder);
  int code = 2;
  if (targets.empty()) {
    std::fprintf(stderr, "the fixtures are missing; run native/fuzz/make_fixtures.py\n");
  } else {
    code = options.replay.empty() ? Fuzz(options, targets) : Replay(options, targets);
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  return code;
}

}  // namespace thermocline::fuzz

int main(int argc, char** argv) { return thermocline::fuzz::Main(argc, argv); }
