// Where the training of a two-layer predictor starts: close to the best linear predictor, if
// there is a first matrix to make it of.
#pragma once

#include <cstdint>
#include <span>

#include "train/factorise.h"
#include "train/input_moments.h"
#include "train/train_mlp.h"

namespace thermocline {

// The factorisation of a first matrix W (its rows `weights` [n_ff][d_model], `bias` [n_ff] or
// empty), as weights to train on: scores are what W x + bias says, in units of how far off the
// factorisation is for that neuron, so that they start about as sure as they should be.
//
// With `relu`, hidden units are moved to where the ReLU lets nearly all inputs pass, with no unit
// lost and the scores unchanged: states have a mean far from zero, so there is a w with w·z near 1
// for all z = down x; down' = (I + c wᵀ) down has units around c, and up' = up (I + c wᵀ)⁻¹ takes
// it back (Sherman and Morrison). Without it half of every unit's inputs would be cut off.
// REQUIRES: shapes that agree; numbers that are finite.
MlpWeights StartFromFactorisation(const Factorisation& factorisation, const InputMoments& inputs,
                                  std::span<const float> weights, std::span<const float> bias,
                                  bool relu);

// Random weights, for a layer whose first matrix is not at hand: hidden units of about unit size
// on such inputs. The same for the same seed.
MlpWeights RandomStart(const InputMoments& inputs, int64_t rank, int64_t n_ff, uint64_t seed);

}  // namespace thermocline
