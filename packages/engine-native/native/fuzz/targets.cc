#include "fuzz/targets.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace thermocline::fuzz {
namespace {

namespace fs = std::filesystem;

FileKind KindOf(const std::string& name) {
  if (name.ends_with(".gguf")) return FileKind::kGguf;
  if (name.ends_with(".safetensors")) return FileKind::kSafetensors;
  return FileKind::kJson;
}

std::vector<fs::path> SortedEntries(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool AddTarget(const fs::path& source, bool is_artifact, const std::string& work_folder,
               std::vector<Target>& targets) {
  Target target;
  target.name = source.filename().string();
  target.path = work_folder + "/" + target.name;
  target.is_artifact = is_artifact;
  std::vector<fs::path> files = {source};
  if (fs::is_directory(source)) {
    files = SortedEntries(source.string());
    std::error_code error;
    fs::create_directories(target.path, error);
  }
  for (const fs::path& file : files) {
    TargetFile entry{file.filename().string(), {}, KindOf(file.filename().string())};
    if (!ReadFile(file.string(), entry.bytes)) return false;
    target.total_bytes += entry.bytes.size();
    target.files.push_back(std::move(entry));
  }
  for (const TargetFile& file : target.files) {
    if (!WriteFile(target.FilePath(file), file.bytes)) return false;
  }
  targets.push_back(std::move(target));
  return true;
}

}  // namespace

std::string Target::FilePath(const TargetFile& file) const {
  return files.size() == 1 ? path : path + "/" + file.name;
}

std::vector<Target> LoadTargets(const std::string& repo_root, const std::string& work_folder) {
  std::vector<Target> targets;
  bool ok = true;
  for (const auto& entry : SortedEntries(repo_root + "/packages/engine-native/native/fuzz/fixtures")) {
    ok = ok && AddTarget(entry, false, work_folder, targets);
  }
  const size_t n_models = targets.size();
  for (const auto& entry : SortedEntries(repo_root + "/packages/contracts/fixtures")) {
    if (entry.extension() == ".safetensors") ok = ok && AddTarget(entry, true, work_folder, targets);
  }
  if (!ok || n_models == 0 || targets.size() == n_models) targets.clear();
  return targets;
}

bool WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return out.good();
}

bool ReadFile(const std::string& path, std::string& bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return false;
  bytes.assign(std::istreambuf_iterator<char>(in), {});
  return !in.bad();
}

}  // namespace thermocline::fuzz
