// A Vulkan device that is open, with one queue: buffers, and command buffers that copy between
// them. For one thread at a time; whatever is made of it ends before it.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "probe/vulkan_api.h"
#include "probe/vulkan_instance.h"
#include "util/status.h"

namespace thermocline {

// Where a buffer lies: on the device, in memory that the host writes for it, or in memory that
// the host reads from.
enum class MemoryKind { kDevice, kUpload, kReadback };

class VulkanDevice {
 public:
  // REQUIRES: `gpu` comes from `instance` and is usable; both outlive the device.
  static Result<VulkanDevice> Open(const VulkanInstance& instance, const GpuInfo& gpu);
  ~VulkanDevice();
  VulkanDevice(VulkanDevice&& other) noexcept;
  VulkanDevice& operator=(VulkanDevice&&) = delete;

  // Records commands anew, in the one command buffer that a device has.
  Status Record(const std::function<void(const vk::DeviceFunctions&, vk::CommandBuffer)>& commands);
  // Runs what was recorded and waits for its end.
  // Errors: kIo when the device is lost, or has not ended after ten seconds.
  Status Run();

 private:
  friend class VulkanBuffer;
  VulkanDevice() = default;
  Status Start(const GpuInfo& gpu, const vk::InstanceFunctions& instance);

  vk::DeviceFunctions call_;
  vk::PhysicalDeviceMemoryProperties memory_;
  uint32_t heap_ = 0;
  vk::Device handle_ = nullptr;
  vk::Queue queue_ = nullptr;
  vk::CommandPool pool_ = 0;
  vk::CommandBuffer commands_ = nullptr;
  vk::Fence fence_ = 0;
  bool stuck_ = false;  // work that never ended: nothing it uses may be freed
};

class VulkanBuffer {
 public:
  // Errors: kOutOfMemory; kIo when the device has no memory of this kind.
  static Result<VulkanBuffer> Allocate(VulkanDevice& device, uint64_t bytes, MemoryKind kind);
  ~VulkanBuffer();
  VulkanBuffer(VulkanBuffer&& other) noexcept;
  VulkanBuffer& operator=(VulkanBuffer&&) = delete;

  vk::Buffer handle() const { return buffer_; }
  uint64_t size() const { return size_; }
  std::byte* host() const { return host_; }  // null on the device

 private:
  explicit VulkanBuffer(VulkanDevice* device) : device_(device) {}

  VulkanDevice* device_;
  vk::Buffer buffer_ = 0;
  vk::DeviceMemory memory_ = 0;
  uint64_t size_ = 0;
  std::byte* host_ = nullptr;
};

}  // namespace thermocline
