#include "model/down_norms.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tiers/weight_loader.h"

namespace thermocline {

Result<DownNorms> LoadDownNorms(const std::vector<std::vector<FfnBlockSource>>& blocks,
                                const Kernels& kernels, const std::function<bool()>& stop) {
  DownNorms norms;
  for (const std::vector<FfnBlockSource>& layer : blocks) {
    if (stop && stop()) {
      return Status(StatusCode::kAborted, "reading the down matrices was aborted");
    }
    std::vector<double>& all = norms.emplace_back();
    for (const FfnBlockSource& block : layer) {
      const auto load = block.neuron_major ? LoadRowNorms : LoadColumnNorms;
      ASSIGN_OR_RETURN(const std::vector<double> own,
                       load(*block.file, *block.down, block.first_neuron, block.n_neurons,
                            kernels));
      if (!std::all_of(own.begin(), own.end(), [](double norm) { return std::isfinite(norm); })) {
        return Status(StatusCode::kModelCorrupt,
                      "tensor '" + block.down->name + "' holds weights that are not finite numbers",
                      block.file->path());
      }
      all.insert(all.end(), own.begin(), own.end());
    }
  }
  return norms;
}

}  // namespace thermocline
