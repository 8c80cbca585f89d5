// For tests: shards of samples, as packages/predictor writes them.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "util/f16.h"

namespace thermocline::testing {

// The tensors of one shard, in the file's types, and its metadata.
struct SampleShard {
  int64_t rows = 0;
  int64_t d_model = 0;
  int64_t n_ff = 0;
  std::vector<uint16_t> x;
  std::vector<uint8_t> fires;
  std::vector<int64_t> offsets{0};
  std::vector<uint16_t> values;
  std::map<std::string, std::string> metadata;

  SampleShard(int64_t width, int64_t neurons) : d_model(width), n_ff(neurons) {
    metadata = {{"format", "thermocline.samples"},
                {"format_version", "1"},
                {"fingerprint", "f00d"},
                {"layer", "1"},
                {"model", "{\"d_model\":" + std::to_string(width) + ",\"n_ff\":[7," +
                              std::to_string(neurons) + "]}"}};
  }

  // h [n_ff]: a neuron fires where it is above 0.
  void Add(const std::vector<float>& state, const std::vector<float>& h) {
    ++rows;
    for (const float value : state) x.push_back(F32ToF16(value));
    const size_t first = fires.size();
    fires.resize(first + static_cast<size_t>((n_ff + 7) / 8));
    for (size_t n = 0; n < h.size(); ++n) {
      if (!(h[n] > 0)) continue;
      fires[first + n / 8] = static_cast<uint8_t>(fires[first + n / 8] | (1U << (n % 8)));
      values.push_back(F32ToF16(h[n]));
    }
    offsets.push_back(static_cast<int64_t>(values.size()));
  }

  std::string Bytes() const {
    std::string header = "{\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (header.back() != '{') header += ',';
      header += "\"" + key + "\":\"";
      for (const char c : value) header += c == '"' ? std::string("\\\"") : std::string(1, c);
      header += "\"";
    }
    header += "}";
    std::string data;
    const auto add = [&](const char* name, const char* type, const std::string& shape,
                         const auto& tensor) {
      header += std::string(",\"") + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + shape +
                "],\"data_offsets\":[" + std::to_string(data.size()) + ",";
      const size_t bytes = tensor.size() * sizeof(tensor[0]);
      if (bytes > 0) data.append(reinterpret_cast<const char*>(tensor.data()), bytes);
      header += std::to_string(data.size()) + "]}";
    };
    const std::string n = std::to_string(rows);
    add("x", "F16", n + "," + std::to_string(d_model), x);
    add("fires", "U8", n + "," + std::to_string((n_ff + 7) / 8), fires);
    add("offsets", "I64", std::to_string(offsets.size()), offsets);
    add("values", "F16", std::to_string(values.size()), values);
    header += "}";
    const uint64_t length = header.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    return file + header + data;
  }
};

}  // namespace thermocline::testing
