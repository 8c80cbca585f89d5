#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "util/testing.h"

namespace thermocline::testing {
namespace {

struct Test {
  const char* suite;
  const char* name;
  TestBody body;
};

std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

bool failed = false;
std::string skip_reason;

}  // namespace

bool Register(const char* suite, const char* name, TestBody body) {
  Tests().push_back({suite, name, body});
  return true;
}

void Fail(const char* file, int line, const std::string& message) {
  failed = true;
  std::printf("    %s:%d: %s\n", file, line, message.c_str());
}

void MarkSkipped(const std::string& reason) { skip_reason = reason.empty() ? "no reason" : reason; }

std::string RepoFile(const std::string& relative) {
  return std::string(TC_REPO_ROOT) + "/" + relative;
}

std::string DataFile(const std::string& relative) {
  const char* root = std::getenv("THERMOCLINE_TEST_DATA");
  const std::string path =
      (root != nullptr ? std::string(root) : std::string(TC_REPO_ROOT) + "/../shared/data") + "/" +
      relative;
  std::error_code ec;
  return std::filesystem::exists(path, ec) ? path : std::string();
}

bool IsSlow() { return TC_SANITIZED != 0 || std::getenv("THERMOCLINE_EMULATED") != nullptr; }

}  // namespace thermocline::testing

// Runs every test, or those whose "suite.name" contains the first argument.
int main(int argc, char** argv) {
  using namespace thermocline::testing;
  int n_passed = 0;
  int n_failed = 0;
  int n_skipped = 0;
  for (const auto& test : Tests()) {
    const std::string full = std::string(test.suite) + "." + test.name;
    if (argc > 1 && full.find(argv[1]) == std::string::npos) continue;
    failed = false;
    skip_reason.clear();
    const auto start = std::chrono::steady_clock::now();
    test.body();
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (failed) {
      ++n_failed;
      std::printf("FAIL %s\n", full.c_str());
    } else if (!skip_reason.empty()) {
      ++n_skipped;
      std::printf("SKIP %s: %s\n", full.c_str(), skip_reason.c_str());
    } else {
      ++n_passed;
      if (ms > 500) std::printf("slow %s: %.0f ms\n", full.c_str(), ms);
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed", n_passed, n_failed);
  if (n_skipped > 0) std::printf(", %d skipped", n_skipped);
  std::printf("\n");
  return n_failed == 0 ? 0 : 1;
}
