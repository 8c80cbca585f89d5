// One test per kernel set and group of checks; skips with the reason where this binary or
// this processor has no such set.
#pragma once

#include <string>

#include "backends/backend_suite.h"
#include "util/testing.h"

namespace thermocline {

// Why the set cannot run here; empty when it can.
inline std::string WhyNot(const std::string& name) {
  const KernelChoices choices = ListKernels();
  for (int64_t i = 0; i < choices.count; ++i) {
    if (choices.data[i].name != name) continue;
    return choices.data[i].supported ? "" : "this processor lacks " + std::string(choices.data[i].needs);
  }
  return name + " is not compiled in";
}

}  // namespace thermocline

#define TC_SET_TEST(suite, set_name, check)                                          \
  TEST(suite, check) {                                                               \
    const std::string why_not = ::thermocline::WhyNot(set_name);                     \
    if (!why_not.empty()) SKIP(why_not);                                             \
    const ::thermocline::Kernels* const set = ::thermocline::SelectKernels(set_name); \
    ASSERT_TRUE(set != nullptr);                                                     \
    EXPECT_EQ(std::string(set->name), std::string(set_name));                        \
    ::thermocline::check(*set);                                                      \
  }

#define TC_SUITE(suite, set_name)                \
  TC_SET_TEST(suite, set_name, CheckMatmul)      \
  TC_SET_TEST(suite, set_name, CheckNeurons)     \
  TC_SET_TEST(suite, set_name, CheckElementwise) \
  TC_SET_TEST(suite, set_name, CheckAttention)
