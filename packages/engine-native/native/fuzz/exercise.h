// What is done with a mutated input: everything the engine would do with a model or an
// artifact it opens. Statuses are the expected outcome; the answer is whether the
// input was accepted all the way, which tells how deep the changes reach.
#pragma once

#include <string>

namespace thermocline::fuzz {

bool ExerciseModel(const std::string& path);
bool ExerciseArtifact(const std::string& path);

}  // namespace thermocline::fuzz
