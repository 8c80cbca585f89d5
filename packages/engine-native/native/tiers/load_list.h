// What is to be read of model files and what becomes of it, gathered first and then carried out in
// the order of the files: a drive streams, and some threads wait for it while others pack.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/model_file.h"
#include "tiers/accountant.h"
#include "util/status.h"

namespace thermocline {

struct LoadProgress {
  uint64_t bytes = 0;  // of the files, read and packed
  uint64_t total = 0;
  double seconds = 0;
};

// How a list was carried out.
struct LoadReport {
  uint64_t bytes = 0;
  double seconds = 0;
  uint64_t cached_bytes = 0;  // of them, found in the system's cache
  uint64_t through_bytes = 0;  // of them, read through it
  std::string fallback;        // why reads did not go past the cache; empty: they did
  int readers = 0;             // reads that may be under way at a time
  uint64_t staging_bytes = 0;  // memory they were read into
};

struct LoadOptions {
  int threads = 1;  // that pack at a time
  // Reads under way at a time: as many as the probe of drives has. One takes rows in the order of
  // the files.
  int readers = 8;
  // Staging takes at most this much, or one piece if that is more, and what `accountant` gives it.
  uint64_t staging_bytes = uint64_t{32} << 20;
  Accountant* accountant = nullptr;  // null: not accounted for
  bool past_cache = true;            // false: as if no file system had direct reads
  // From the calling thread: at the start, every 20 ms, at the end. A failure ends the reading. May
  // be empty.
  std::function<Status(const LoadProgress&)> progress{};
};

class LoadList {
 public:
  // Gets rows [first, first + n) of a tensor as the file has them. Called once for every row, from
  // several threads, in any order; `rows` is gone when it returns.
  using Take = std::function<void(int64_t first, int64_t n, const std::byte* rows)>;

  // Rows [first, first + n) of a tensor, a vector being one row. They are taken in multiples of
  // `step` rows from `first` on, the last ones excepted. File and tensor outlive the list.
  void Add(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n, int64_t step,
           Take take);

  uint64_t bytes() const { return bytes_; }

  // Reads everything and empties the list.
  // Errors name file and tensor: kIo; kOutOfMemory for staging; whatever `progress` returns.
  Result<LoadReport> Run(const LoadOptions& options);

 private:
  friend class LoadRun;
  struct Item {
    const ModelFile* file = nullptr;
    const TensorInfo* tensor = nullptr;
    int64_t first = 0, n = 0, step = 1;
    Take take;

    int64_t row_bytes() const;
  };

  std::vector<Item> items_;
  uint64_t bytes_ = 0;
};

}  // namespace thermocline
