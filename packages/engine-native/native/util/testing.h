// The smallest test runner that does the job: TEST registers, EXPECT records and
// goes on, ASSERT records and leaves the test, SKIP leaves it with the reason
// printed. A test binary links testing_main.cc and ends with `N passed, N failed`.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

// Whether this code is watched by a sanitizer that makes it many times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TC_SANITIZED 1
#endif
#endif
#if !defined(TC_SANITIZED)
#define TC_SANITIZED 0
#endif

namespace thermocline::testing {

using TestBody = void (*)();

// Adds a test to this binary's list; called by TEST before main.
bool Register(const char* suite, const char* name, TestBody body);
void Fail(const char* file, int line, const std::string& message);
void MarkSkipped(const std::string& reason);

template <typename T>
std::string Show(const T& value) {
  if constexpr (requires(std::ostream& o, const T& v) { o << v; }) {
    std::ostringstream out;
    out.precision(9);
    out << value;
    return out.str();
  } else {
    return "<value>";
  }
}

}  // namespace thermocline::testing

#define TEST(suite, name)                                                                     \
  static void suite##_##name##_Body();                                                        \
  [[maybe_unused]] static const bool suite##_##name##_registered =                            \
      ::thermocline::testing::Register(#suite, #name, &suite##_##name##_Body);                \
  static void suite##_##name##_Body()

#define TC_CHECK(condition, text, on_failure)                          \
  do {                                                                 \
    if (!(condition)) {                                                \
      ::thermocline::testing::Fail(__FILE__, __LINE__, (text));        \
      on_failure;                                                      \
    }                                                                  \
  } while (false)

#define TC_COMPARE(a, b, op, on_failure)                                                       \
  do {                                                                                         \
    const auto tc_a = (a); /* by value: operands may be parts of temporaries */                \
    const auto tc_b = (b);                                                                     \
    TC_CHECK(tc_a op tc_b,                                                                     \
             std::string(#a " " #op " " #b ": ") + ::thermocline::testing::Show(tc_a) +        \
                 " against " + ::thermocline::testing::Show(tc_b),                             \
             on_failure);                                                                      \
  } while (false)

#define EXPECT_TRUE(x) TC_CHECK((x), std::string("expected true: " #x), (void)0)
#define EXPECT_FALSE(x) TC_CHECK(!(x), std::string("expected false: " #x), (void)0)
#define EXPECT_EQ(a, b) TC_COMPARE(a, b, ==, (void)0)
#define EXPECT_NE(a, b) TC_COMPARE(a, b, !=, (void)0)
#define EXPECT_LT(a, b) TC_COMPARE(a, b, <, (void)0)
#define EXPECT_LE(a, b) TC_COMPARE(a, b, <=, (void)0)
#define EXPECT_GT(a, b) TC_COMPARE(a, b, >, (void)0)
#define EXPECT_GE(a, b) TC_COMPARE(a, b, >=, (void)0)
#define EXPECT_NEAR(a, b, tolerance) \
  TC_COMPARE(std::fabs(static_cast<double>(a) - static_cast<double>(b)), (tolerance), <=, (void)0)
#define EXPECT_OK(expr)                                                                       \
  do {                                                                                        \
    const ::thermocline::Status tc_st = ::thermocline::testing::StatusOf(expr);               \
    TC_CHECK(tc_st.ok(), #expr ": " + tc_st.message(), (void)0);                              \
  } while (false)
#define EXPECT_STATUS(expr, expected_code)                                                    \
  do {                                                                                        \
    const ::thermocline::Status tc_st = ::thermocline::testing::StatusOf(expr);               \
    TC_CHECK(tc_st.code() == (expected_code),                                                 \
             std::string(#expr ": ") + ::thermocline::StatusCodeName(tc_st.code()) + ", " +   \
                 tc_st.message(),                                                             \
             (void)0);                                                                        \
  } while (false)
#define ASSERT_TRUE(x) TC_CHECK((x), std::string("expected true: " #x), return)
#define ASSERT_EQ(a, b) TC_COMPARE(a, b, ==, return)
#define ASSERT_OK(expr)                                                                       \
  do {                                                                                        \
    const ::thermocline::Status tc_st = ::thermocline::testing::StatusOf(expr);               \
    TC_CHECK(tc_st.ok(), #expr ": " + tc_st.message(), return);                               \
  } while (false)
#define SKIP(reason)                                 \
  do {                                               \
    ::thermocline::testing::MarkSkipped(reason);     \
    return;                                          \
  } while (false)

#include "util/status.h"

namespace thermocline::testing {

inline Status StatusOf(const Status& status) { return status; }
template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.status();
}

// A file of the repository, or of the test data beside it; both as absolute
// paths given at configure time (TC_REPO_ROOT) or by THERMOCLINE_TEST_DATA.
std::string RepoFile(const std::string& relative);
std::string DataFile(const std::string& relative);  // empty when absent

// Under a sanitizer or an emulator, where all takes ten times as long or more: tests go through a
// part of many like cases there, and all of them elsewhere.
bool IsSlow();

// The step through such cases: 1, or `slow` where IsSlow().
inline int Stride(int slow) { return IsSlow() ? slow : 1; }

}  // namespace thermocline::testing
