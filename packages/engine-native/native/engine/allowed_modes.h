// Which modes a model can run in, with the predictors it has at the moment.
#pragma once

#include <vector>

#include "io/model_file.h"
#include "model/mode.h"
#include "sparsity/predictors.h"
#include "util/status.h"

namespace thermocline {

// `predictors` may be null. kModeUnsupported says what is missing.
Status CheckMode(Mode mode, const Hyperparameters& model, const Predictors* predictors);

std::vector<Mode> AllowedModes(const Hyperparameters& model, const Predictors* predictors);

}  // namespace thermocline
