// For tests: files that exist for the length of a test, and GGUF bytes put together
// key by key.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "util/testing.h"

namespace thermocline::testing {

inline std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string Fixture(const std::string& name) {
  return RepoFile("packages/engine-native/native/fuzz/fixtures/" + name);
}

// A folder of its own, removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    path_ = (std::filesystem::temp_directory_path() / "thermocline-test-XXXXXX").string();
    EXPECT_TRUE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }

  // Writes a file and gives its path.
  std::string Write(const std::string& name, std::string_view bytes) const {
    const std::string file = path_ + "/" + name;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(out.good());
    return file;
  }

 private:
  std::string path_;
};

template <typename T>
void AppendRaw(std::string& out, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.append(raw, sizeof(T));
}

inline void AppendText(std::string& out, std::string_view text) {
  AppendRaw<uint64_t>(out, text.size());
  out += text;
}

struct GgufBytes {
  uint32_t version = 3;
  uint64_t n_keys = 0;
  uint64_t n_tensors = 0;
  std::string keys;
  std::string tensors;

  GgufBytes& Raw(std::string_view key, uint32_t type, std::string_view value) {
    AppendText(keys, key);
    AppendRaw(keys, type);
    keys += value;
    ++n_keys;
    return *this;
  }
  template <typename T>
  GgufBytes& Number(std::string_view key, uint32_t type, T value) {
    std::string raw;
    AppendRaw(raw, value);
    return Raw(key, type, raw);
  }
  GgufBytes& U32(std::string_view key, uint32_t value) { return Number(key, 4, value); }
  GgufBytes& F32(std::string_view key, float value) { return Number(key, 6, value); }
  GgufBytes& String(std::string_view key, std::string_view value) {
    std::string raw;
    AppendText(raw, value);
    return Raw(key, 8, raw);
  }
  // An array of numbers of GGUF type `element`.
  template <typename T>
  GgufBytes& Array(std::string_view key, uint32_t element, const std::vector<T>& values) {
    std::string raw;
    AppendRaw(raw, element);
    AppendRaw<uint64_t>(raw, values.size());
    for (const T value : values) AppendRaw(raw, value);
    return Raw(key, 9, raw);
  }
  GgufBytes& Strings(std::string_view key, const std::vector<std::string>& values) {
    std::string raw;
    AppendRaw<uint32_t>(raw, 8);
    AppendRaw<uint64_t>(raw, values.size());
    for (const auto& value : values) AppendText(raw, value);
    return Raw(key, 9, raw);
  }
  // `dims` innermost first, as the file has them.
  GgufBytes& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    uint64_t offset) {
    AppendText(tensors, name);
    AppendRaw(tensors, static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) AppendRaw(tensors, dim);
    AppendRaw(tensors, type);
    AppendRaw(tensors, offset);
    ++n_tensors;
    return *this;
  }
  std::string Build(size_t data_bytes = 0, uint64_t alignment = 32) const {
    std::string out = "GGUF";
    AppendRaw(out, version);
    AppendRaw(out, n_tensors);
    AppendRaw(out, n_keys);
    out += keys;
    out += tensors;
    if (n_tensors > 0) out.append((alignment - out.size() % alignment) % alignment, '\0');
    out.append(data_bytes, '\0');
    return out;
  }
};

}  // namespace thermocline::testing
