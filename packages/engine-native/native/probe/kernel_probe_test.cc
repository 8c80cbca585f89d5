#include "probe/kernel_probe.h"

#include "util/testing.h"

namespace thermocline {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                            DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

KernelProbeOptions OptionsFor(const char* kernel, DType type, int threads) {
  KernelProbeOptions options;
  options.kernel = kernel;
  options.type = type;
  options.tokens = 3;
  options.threads = threads;
  options.working_set = uint64_t{8} << 20;
  return options;
}

TEST(KernelProbe, EveryKernelOfEveryTypeDoesWork) {
  for (const KernelProbeInfo& info : ListKernelProbes()) {
    for (const DType type : kTypes) {
      if (!info.typed && type != DType::kF32) continue;
      const bool cache = type == DType::kF32 || type == DType::kF16;
      if (std::string(info.name) == "attention" && !cache) continue;
      const bool own = type == DType::kQ8_0 || type == DType::kQ4_0;
      if (std::string(info.name).starts_with("own-") && !own) continue;
      auto probe = KernelProbe::Create(OptionsFor(info.name, type, 2));
      ASSERT_OK(probe);
      const KernelPass pass = probe->Run();
      EXPECT_GT(pass.seconds, 0.0);
      EXPECT_GT(pass.bytes + pass.operations, uint64_t{1000});
      EXPECT_EQ(probe->Run().bytes, pass.bytes);
    }
  }
}

// A tenth of the rows is a tenth of four times the working set.
TEST(KernelProbe, CountsWhatIsRead) {
  for (const DType type : {DType::kF16, DType::kQ8_0}) {
    auto all = KernelProbe::Create(OptionsFor("rows", type, 1));
    auto some = KernelProbe::Create(OptionsFor("rows-sparse", type, 1));
    ASSERT_OK(all);
    ASSERT_OK(some);
    const auto read = static_cast<double>(all->Run().bytes);
    EXPECT_NEAR(read, 8 << 20, 20000);
    EXPECT_NEAR(static_cast<double>(some->Run().bytes), 0.4 * read, 0.08 * read);
  }
}

TEST(KernelProbe, RefusesWhatItCannotRun) {
  const auto refused = [](KernelProbeOptions options) {
    EXPECT_STATUS(KernelProbe::Create(options), StatusCode::kInvalidArgument);
  };
  refused(OptionsFor("nothing", DType::kF16, 1));
  refused(OptionsFor("attention", DType::kQ4_0, 1));
  refused(OptionsFor("rows", DType::kF16, 0));
  KernelProbeOptions options = OptionsFor("rows", DType::kF16, 1);
  options.working_set = 100;
  refused(options);
  options = OptionsFor("gemm", DType::kF16, 1);
  options.tokens = 0;
  refused(options);
}

}  // namespace
}  // namespace thermocline
