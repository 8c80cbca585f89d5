// Vulkan as it is found at run time: the system's library, and the devices its drivers offer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/vulkan_api.h"
#include "util/status.h"

namespace thermocline {

// kOutOfMemory or kIo for a call that failed, with its name and what it returned.
Status VulkanError(const char* call, vk::Code code);

// A device that a driver offers.
struct GpuInfo {
  std::string name;
  vk::DeviceType type = vk::DeviceType::kOther;
  uint32_t vendor_id = 0;  // as on the PCI bus
  uint32_t device_id = 0;
  uint64_t capacity_bytes = 0;  // of the largest heap that is the device's own
  // What a program may still take of it; where the driver says (VK_EXT_memory_budget).
  std::optional<uint64_t> available_bytes;
  std::string unusable;  // why it cannot be used; empty when it can

  vk::PhysicalDevice handle = nullptr;  // valid as long as the instance
  uint32_t queue_family = 0;            // one that computes
  uint32_t heap = 0;
};

// One connection to Vulkan. For one thread at a time.
class VulkanInstance {
 public:
  // Errors: kIo, with what is missing, when the library or every driver is absent.
  static Result<VulkanInstance> Create();
  ~VulkanInstance();
  VulkanInstance(VulkanInstance&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), functions_(other.functions_) {}
  VulkanInstance& operator=(VulkanInstance&&) = delete;

  const vk::InstanceFunctions& functions() const { return functions_; }

  // In the drivers' order, those that cannot be used too.
  Result<std::vector<GpuInfo>> ListGpus() const;

 private:
  VulkanInstance() = default;

  vk::Instance handle_ = nullptr;
  vk::InstanceFunctions functions_;
};

// All devices of this machine, on a connection of its own.
Result<std::vector<GpuInfo>> ListGpus();

// The device to use: discrete before integrated before virtual, then the one that holds more.
// Processors that pose as GPUs (such as Mesa's llvmpipe) are passed over unless `cpu_devices`.
// Errors: kIo, saying why each device that is there does not do.
Result<GpuInfo> ChooseGpu(const std::vector<GpuInfo>& gpus, bool cpu_devices);

}  // namespace thermocline
