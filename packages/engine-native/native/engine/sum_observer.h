// What a profile is made of, summed where the activations are: no row leaves the core.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/magnitude_bins.h"
#include "engine/token_hash.h"
#include "model/observation.h"
#include "util/status.h"

namespace thermocline {

struct SumOptions {
  // [layers]: a neuron of layer l fires where |h| > thresholds[l]; empty: where h != 0. Not
  // negative and not NaN.
  std::vector<double> thresholds;
  std::optional<uint32_t> sketch_salt;  // also make co-activation sketches
};

// Counts per layer and neuron over all rows it is given. Counts, histograms and sketches are the
// same bits however rows are grouped and however many threads there are; sums of |h| are the same
// bits for the same groups, and agree to about 1e-15 otherwise.
class SumObserver : public Observer {
 public:
  // REQUIRES: thresholds empty or one per layer.
  explicit SumObserver(std::vector<int64_t> n_ff, SumOptions options = {});

  // Labels for the next step: document of each item, and document position of session position 0.
  void Label(std::vector<uint32_t> documents, std::vector<uint32_t> bases);

  bool Wants(int64_t layer, Stream stream) const override;
  // kModelCorrupt when an activation is not a finite number: no sum could show more than that.
  Status OnRows(const ObservedRows& rows) override;

  // One entry per layer; read them when no step is running.
  struct Layer {
    int64_t tokens = 0;
    std::vector<int64_t> fires;       // [n_ff]
    std::vector<double> abs_sum;      // [n_ff], of all |h|, whether or not it fired
    std::vector<int64_t> magnitudes;  // [kMagnitudeBins], over all neurons
    std::vector<uint32_t> sketches;   // [n_ff][kSketchHashes], ascending; empty: not asked for
  };
  const std::vector<Layer>& layers() const { return layers_; }
  bool sketching() const { return options_.sketch_salt.has_value(); }

 private:
  using Histogram = std::vector<int64_t>;  // [kMagnitudeBins]

  void HashRows(const ObservedRows& rows);
  bool CountBlock(const ObservedRows& rows, int64_t begin, int64_t n, Histogram* histogram);
  void SketchBlock(const ObservedRows& rows, int64_t begin, int64_t n);

  const SumOptions options_;
  std::vector<Layer> layers_;
  std::vector<int32_t> limits_;            // [layers] bits of the largest |h| that does not fire
  std::vector<std::vector<uint32_t>> worst_;  // [layers][n_ff] largest hash of each sketch
  std::vector<uint32_t> documents_, bases_;   // [items]
  // Of the rows at hand: their hashes ascending, each with the index of its row.
  std::vector<std::pair<uint32_t, int64_t>> hashes_;
  std::vector<Histogram> histograms_;         // [threads]
};

}  // namespace thermocline
