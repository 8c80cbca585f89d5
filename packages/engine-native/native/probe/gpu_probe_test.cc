#include "probe/gpu_probe.h"

#include <cstdlib>

#include "probe/vulkan_device.h"
#include "util/testing.h"

#if defined(__SANITIZE_THREAD__)
#define TC_THREAD_SANITIZER 1
#else
#define TC_THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TC_ADDRESS_SANITIZER 1
#else
#define TC_ADDRESS_SANITIZER 0
#endif

namespace thermocline {
namespace {

constexpr uint64_t kMiB = 1U << 20;

bool Contains(const Status& status, const std::string& text) {
  return status.message().find(text) != std::string::npos;
}

GpuInfo MakeGpu(const std::string& name, vk::DeviceType type, uint64_t capacity) {
  GpuInfo gpu;
  gpu.name = name;
  gpu.type = type;
  gpu.capacity_bytes = capacity;
  return gpu;
}

// Why no device can be measured here; empty when one can. CPU devices will do.
std::string WhyNoDevice() {
  // Drivers are not built with the sanitizer, which then takes their locks for races.
  if (TC_THREAD_SANITIZER) return "drivers cannot be run under the thread sanitizer";
  // Held for good: a driver that is unloaded and loaded again loses what its globals pointed to,
  // which the address sanitizer would take for our leak.
  static const auto* const held = new Result<VulkanInstance>(VulkanInstance::Create());
  if (!held->ok()) return held->status().message();
  const auto gpus = ListGpus();
  if (!gpus.ok()) return gpus.status().message();
  return ChooseGpu(*gpus, true).status().message();
}

TEST(ChooseGpu, TakesTheStrongestKindThenTheLargest) {
  const std::vector<GpuInfo> gpus = {
      MakeGpu("processor", vk::DeviceType::kCpu, 1000 * kMiB),
      MakeGpu("integrated", vk::DeviceType::kIntegrated, 900 * kMiB),
      MakeGpu("small card", vk::DeviceType::kDiscrete, 100 * kMiB),
      MakeGpu("large card", vk::DeviceType::kDiscrete, 200 * kMiB),
  };
  auto chosen = ChooseGpu(gpus, true);
  ASSERT_OK(chosen);
  EXPECT_EQ(chosen->name, std::string("large card"));
  EXPECT_OK(ChooseGpu({gpus[0]}, true));
}

TEST(ChooseGpu, SaysWhyEachDeviceDoesNotDo) {
  GpuInfo old = MakeGpu("old card", vk::DeviceType::kDiscrete, kMiB);
  old.unusable = "its driver knows Vulkan 1.0 only";
  const auto chosen =
      ChooseGpu({MakeGpu("llvmpipe", vk::DeviceType::kCpu, kMiB), old}, false);
  EXPECT_STATUS(chosen, StatusCode::kIo);
  EXPECT_TRUE(Contains(chosen.status(), "llvmpipe: a processor"));
  EXPECT_TRUE(Contains(chosen.status(), "old card: its driver"));
  EXPECT_STATUS(ChooseGpu({}, true), StatusCode::kIo);
}

TEST(VulkanError, NamesTheCallAndTheCode) {
  const Status lost = VulkanError("vkQueueSubmit", -4);
  EXPECT_TRUE(lost.code() == StatusCode::kIo);
  EXPECT_TRUE(Contains(lost, "vkQueueSubmit failed: VK_ERROR_DEVICE_LOST (-4)"));
  EXPECT_TRUE(VulkanError("vkAllocateMemory", -2).code() == StatusCode::kOutOfMemory);
  EXPECT_TRUE(Contains(VulkanError("vkCreateDevice", -1000), "(-1000)"));
}

TEST(GpuProbe, WithoutADriverThereIsAReason) {
  if (TC_THREAD_SANITIZER) SKIP(WhyNoDevice());
  // Read by Vulkan's loader whenever an instance is made.
  setenv("VK_ICD_FILENAMES", "/no/such/driver.json", 1);
  setenv("VK_DRIVER_FILES", "/no/such/driver.json", 1);
  const Status status = MeasureGpu({}).status();
  unsetenv("VK_ICD_FILENAMES");
  unsetenv("VK_DRIVER_FILES");
  EXPECT_STATUS(status, StatusCode::kIo);
  EXPECT_TRUE(Contains(status, "Vulkan is"));
}

TEST(GpuProbe, MeasuresADevice) {
  const std::string why = WhyNoDevice();
  if (!why.empty()) SKIP(why);
  GpuProbeOptions options;
  options.cpu_devices = true;
  options.buffer_bytes = 4 * kMiB;
  double last = 0;
  options.progress = [&](double fraction) { last = fraction; };
  // Twice: whatever the first left behind would be in the second's way.
  for (int i = 0; i < 2; ++i) {
    auto rates = MeasureGpu(options);
    ASSERT_OK(rates);
    EXPECT_FALSE(rates->gpu.name.empty());
    EXPECT_GT(rates->gpu.capacity_bytes, kMiB);
    EXPECT_LE(rates->gpu.available_bytes.value_or(0), rates->gpu.capacity_bytes);
    EXPECT_GT(rates->sequential, 1e7);
    EXPECT_GT(rates->link, 1e7);
    EXPECT_GT(rates->sync_seconds, 0.0);
    EXPECT_LT(rates->sync_seconds, 1.0);
  }
  EXPECT_EQ(last, 1.0);
}

TEST(GpuProbe, PassesOverProcessorsThatPoseAsGpus) {
  const std::string why = WhyNoDevice();
  if (!why.empty()) SKIP(why);
  const auto gpus = ListGpus();
  ASSERT_OK(gpus);
  for (const GpuInfo& gpu : *gpus) {
    if (gpu.type != vk::DeviceType::kCpu) SKIP("there is a real GPU: " + gpu.name);
  }
  const auto rates = MeasureGpu({});
  EXPECT_STATUS(rates, StatusCode::kIo);
  EXPECT_TRUE(Contains(rates.status(), gpus->front().name));
}

TEST(GpuProbe, CanBeAborted) {
  const std::atomic<bool> cancel{true};
  GpuProbeOptions options;
  options.cancel = &cancel;
  EXPECT_STATUS(MeasureGpu(options), StatusCode::kAborted);
}

TEST(VulkanBuffer, ThatDoesNotFitIsRefused) {
  const std::string why = WhyNoDevice();
  if (!why.empty()) SKIP(why);
  if (TC_ADDRESS_SANITIZER) SKIP("the address sanitizer ends programs that ask for so much");
  auto instance = VulkanInstance::Create();
  ASSERT_OK(instance);
  auto gpus = instance->ListGpus();
  ASSERT_OK(gpus);
  auto gpu = ChooseGpu(*gpus, true);
  ASSERT_OK(gpu);
  auto device = VulkanDevice::Open(*instance, *gpu);
  ASSERT_OK(device);
  const Status status =
      VulkanBuffer::Allocate(*device, uint64_t{1} << 46, MemoryKind::kDevice).status();
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(Contains(status, "vk") && Contains(status, "failed: VK_ERROR_OUT_OF"));
  EXPECT_OK(VulkanBuffer::Allocate(*device, kMiB, MemoryKind::kReadback));
}

}  // namespace
}  // namespace thermocline
