#include "fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

namespace thermocline::fuzz {
namespace {

void Overwrite(std::string& bytes, size_t at, const void* value, size_t n) {
  if (at < bytes.size()) std::memcpy(bytes.data() + at, value, std::min(n, bytes.size() - at));
}

constexpr auto kExtremes = std::to_array<uint64_t>({
    0, 1, 2, 7, 8, 31, 32, 33, 255, 256, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
    0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFE0,
    0x2000000000000000, 0x4000000000000000, 0x0555555555555556, 1000000, 1ULL << 40});

// A place near the front more often than not: that is where the structure is.
size_t Place(const std::string& bytes, Random& random) {
  const size_t n = bytes.size();
  return random.Below(3) == 0 ? random.Below(n) : random.Below(std::min<size_t>(n, 6000));
}

void MutateBytes(std::string& bytes, const std::vector<std::string>& others, Random& random) {
  if (bytes.empty()) {
    bytes = "x";
    return;
  }
  const size_t at = Place(bytes, random);
  const size_t length = 1 + random.Below(std::min<size_t>(bytes.size() - at, 512));
  switch (random.Below(10)) {
    case 0:
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
      break;
    case 2:
      bytes[at] = static_cast<char>(random.Below(256));
      break;
    case 3:
    case 4: {
      const uint64_t value = kExtremes[random.Below(kExtremes.size())];
      Overwrite(bytes, at, &value, size_t{1} << random.Below(4));
      break;
    }
    case 5: {  // a number that is right but for a little
      uint64_t value = 0;
      std::memcpy(&value, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
      value += random.Below(2) == 0 ? random.Below(64) : ~random.Below(64);
      Overwrite(bytes, at, &value, size_t{1} << random.Below(4));
      break;
    }
    case 6:
      bytes.resize(random.Below(2) == 0 ? random.Below(bytes.size()) : at);
      break;
    case 7:
      bytes.insert(random.Below(bytes.size()), bytes.substr(at, length));
      break;
    case 8:
      bytes.erase(at, length);
      break;
    default: {
      const std::string& other = others[random.Below(others.size())];
      if (other.empty()) break;
      const std::string piece = other.substr(random.Below(other.size()), length);
      if (random.Below(2) == 0) {
        Overwrite(bytes, at, piece.data(), piece.size());
      } else {
        bytes.insert(at, piece);
      }
    }
  }
}

constexpr auto kJsonPieces = std::to_array<std::string_view>({
    "null", "true", "false", "0", "-1", "1e999", "18446744073709551615", "9223372036854775808",
    "1.5", "\"\"", "\"x\"", "[]", "{}", "[[[[[[", "{\"a\":", "\"\\ud800\"", "\"\\u0000\"",
    "\"\xFF\"", "-", "\"..\"", "\"../../etc/passwd\"", "\"/dev/zero\"", "\"llama\"", "\"opt\"",
    "4294967296", "\"BPE\"", "\"F32\"", "[0,0]", ",", ":", "[0]", "\"a b c\""});

// Where the tokens of a JSON text begin, as well as one can tell in a damaged one.
std::vector<std::pair<size_t, size_t>> JsonTokens(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
      }
      at = std::min(at + 1, text.size());
    } else if (std::strchr("{}[],: \n", text[at]) != nullptr) {
      ++at;
    } else {
      while (at < text.size() && std::strchr("{}[],: \n\"", text[at]) == nullptr) ++at;
    }
    tokens.emplace_back(begin, std::max(at, begin + 1) - begin);
    at = std::max(at, begin + 1);
  }
  return tokens;
}

void MutateJson(std::string& text, const std::vector<std::string>& others, Random& random) {
  const auto tokens = JsonTokens(text);
  if (tokens.empty() || random.Below(4) == 0) {
    MutateBytes(text, others, random);
    return;
  }
  const auto [a, a_length] = tokens[random.Below(tokens.size())];
  const auto [b, b_length] = tokens[random.Below(tokens.size())];
  switch (random.Below(5)) {
    case 0:
      text.replace(a, a_length, std::string(text, b, b_length));
      break;
    case 1:
      text.erase(a, a_length);
      break;
    case 2: {  // everything between two tokens once more
      const size_t begin = std::min(a, b);
      const size_t length = std::min<size_t>(std::max(a, b) - begin, 4096);
      text.insert(begin, std::string(text, begin, length));
      break;
    }
    case 3:
      text.insert(a, std::string(1 + random.Below(200), "[{ ,\""[random.Below(5)]));
      break;
    default:
      text.replace(a, a_length, kJsonPieces[random.Below(kJsonPieces.size())]);
  }
}

// The header is JSON behind its own length: change it and make the length right again,
// or the reader would hardly ever look further.
void MutateSafetensors(std::string& bytes, const std::vector<std::string>& others,
                       Random& random) {
  uint64_t header = 0;
  if (bytes.size() >= 8) std::memcpy(&header, bytes.data(), 8);
  if (bytes.size() < 8 || header > bytes.size() - 8 || random.Below(4) == 0) {
    MutateBytes(bytes, others, random);
    return;
  }
  std::string text = bytes.substr(8, static_cast<size_t>(header));
  MutateJson(text, others, random);
  const uint64_t length = text.size();
  bytes.replace(8, static_cast<size_t>(header), text);
  if (random.Below(8) != 0) Overwrite(bytes, 0, &length, 8);
}

}  // namespace

std::string Mutate(const std::string& bytes, FileKind kind, const std::vector<std::string>& others,
                   Random& random) {
  std::string result = bytes;
  const size_t n = 1 + random.Below(4);
  for (size_t i = 0; i < n; ++i) {
    switch (kind) {
      case FileKind::kGguf: MutateBytes(result, others, random); break;
      case FileKind::kJson: MutateJson(result, others, random); break;
      case FileKind::kSafetensors: MutateSafetensors(result, others, random); break;
    }
  }
  return result;
}

}  // namespace thermocline::fuzz
