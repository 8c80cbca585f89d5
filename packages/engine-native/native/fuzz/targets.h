// The sound inputs that the fuzzer changes, and where their copies lie on disk.
#pragma once

#include <string>
#include <vector>

#include "fuzz/mutate.h"

namespace thermocline::fuzz {

struct TargetFile {
  std::string name;  // inside the folder; of a single file its own name
  std::string bytes;
  FileKind kind;
};

// One model or artifact. Copies of its files are written to the work folder once;
// each case replaces one of them and puts it back.
struct Target {
  std::string name;
  std::string path;  // what is opened: a file, or the folder of `files`
  bool is_artifact = false;
  std::vector<TargetFile> files;
  size_t total_bytes = 0;

  std::string FilePath(const TargetFile& file) const;
};

// The checked-in fixtures of the native core and the golden artifacts. Empty when a
// folder is missing or something in it cannot be read.
std::vector<Target> LoadTargets(const std::string& repo_root, const std::string& work_folder);

bool WriteFile(const std::string& path, const std::string& bytes);
bool ReadFile(const std::string& path, std::string& bytes);

}  // namespace thermocline::fuzz
