#include "probe/vulkan_device.h"

#include <optional>

namespace thermocline {
namespace {

constexpr uint64_t kTimeoutNanoseconds = 10'000'000'000;

#define TC_VK_CALL(name, ...)                                                         \
  do {                                                                                \
    const ::thermocline::vk::Code tc_code = (__VA_ARGS__);                            \
    if (tc_code != ::thermocline::vk::kSuccess) return VulkanError("vk" #name, tc_code); \
  } while (false)

struct Wanted {
  vk::Flags required;
  vk::Flags preferred;
  vk::Flags avoided;
};

Wanted FlagsOf(MemoryKind kind) {
  constexpr vk::Flags host = vk::kMemoryHostVisible | vk::kMemoryHostCoherent;
  switch (kind) {
    case MemoryKind::kDevice: return {vk::kMemoryDeviceLocal, 0, vk::kMemoryHostVisible};
    // Not the part of the device's memory that the host sees: what is measured is the link.
    case MemoryKind::kUpload: return {host, 0, vk::kMemoryDeviceLocal};
    case MemoryKind::kReadback: return {host, vk::kMemoryHostCached, vk::kMemoryDeviceLocal};
  }
  return {host, 0, 0};
}

// Flags above these belong to extensions that are not asked for.
constexpr vk::Flags kPlain = 0xF;

std::optional<uint32_t> FindMemoryType(const vk::PhysicalDeviceMemoryProperties& memory,
                                       uint32_t heap, uint32_t allowed, MemoryKind kind) {
  const Wanted wanted = FlagsOf(kind);
  std::optional<uint32_t> best;
  int best_score = -1;
  for (uint32_t i = 0; i < memory.memoryTypeCount && i < 32; ++i) {
    const vk::MemoryType& type = memory.memoryTypes[i];
    const vk::Flags flags = type.propertyFlags;
    if ((allowed >> i & 1) == 0 || (flags & ~kPlain) != 0) continue;
    if ((flags & wanted.required) != wanted.required) continue;
    if (kind == MemoryKind::kDevice && type.heapIndex != heap) continue;
    const int score = ((flags & wanted.preferred) == wanted.preferred ? 2 : 0) +
                      ((flags & wanted.avoided) == 0 ? 1 : 0);
    if (score <= best_score) continue;
    best = i;
    best_score = score;
  }
  return best;
}

}  // namespace

Result<VulkanDevice> VulkanDevice::Open(const VulkanInstance& instance, const GpuInfo& gpu) {
  VulkanDevice device;
  RETURN_IF_ERROR(device.Start(gpu, instance.functions()));
  return device;
}

Status VulkanDevice::Start(const GpuInfo& gpu, const vk::InstanceFunctions& instance) {
  const float priority = 1;
  vk::DeviceQueueCreateInfo queue;
  queue.queueFamilyIndex = gpu.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  vk::DeviceCreateInfo info;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  vk::Device opened = nullptr;
  TC_VK_CALL(CreateDevice, instance.CreateDevice(gpu.handle, &info, nullptr, &opened));
  handle_ = opened;
  const auto load = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        instance.GetDeviceProcAddr(handle_, name));
    return function != nullptr;
  };
  // In the list's order: DestroyDevice comes first, so that the destructor has it.
#define TC_VK_LOAD(name, ...)                                                           \
  if (!load(call_.name, "vk" #name)) {                                                  \
    return Status(StatusCode::kIo, "the GPU's driver has no function vk" #name);       \
  }
  TC_VK_DEVICE_FUNCTIONS(TC_VK_LOAD)
#undef TC_VK_LOAD
  vk::PhysicalDeviceMemoryProperties2 memory;
  instance.GetPhysicalDeviceMemoryProperties2(gpu.handle, &memory);
  memory_ = memory.memoryProperties;
  heap_ = gpu.heap;
  call_.GetDeviceQueue(handle_, gpu.queue_family, 0, &queue_);

  vk::CommandPoolCreateInfo pool;
  pool.flags = vk::kPoolResetCommandBuffer;
  pool.queueFamilyIndex = gpu.queue_family;
  TC_VK_CALL(CreateCommandPool, call_.CreateCommandPool(handle_, &pool, nullptr, &pool_));
  vk::CommandBufferAllocateInfo buffers;
  buffers.commandPool = pool_;
  buffers.commandBufferCount = 1;
  TC_VK_CALL(AllocateCommandBuffers, call_.AllocateCommandBuffers(handle_, &buffers, &commands_));
  const vk::FenceCreateInfo fence;
  TC_VK_CALL(CreateFence, call_.CreateFence(handle_, &fence, nullptr, &fence_));
  return Status::Ok();
}

VulkanDevice::VulkanDevice(VulkanDevice&& other) noexcept
    : call_(other.call_),
      memory_(other.memory_),
      heap_(other.heap_),
      handle_(std::exchange(other.handle_, nullptr)),
      queue_(other.queue_),
      pool_(other.pool_),
      commands_(other.commands_),
      fence_(other.fence_),
      stuck_(other.stuck_) {}

VulkanDevice::~VulkanDevice() {
  if (handle_ == nullptr || stuck_ || call_.DestroyDevice == nullptr) return;
  if (fence_ != 0) call_.DestroyFence(handle_, fence_, nullptr);
  if (pool_ != 0) call_.DestroyCommandPool(handle_, pool_, nullptr);
  call_.DestroyDevice(handle_, nullptr);
}

Status VulkanDevice::Record(
    const std::function<void(const vk::DeviceFunctions&, vk::CommandBuffer)>& commands) {
  const vk::CommandBufferBeginInfo begin;
  TC_VK_CALL(BeginCommandBuffer, call_.BeginCommandBuffer(commands_, &begin));
  commands(call_, commands_);
  TC_VK_CALL(EndCommandBuffer, call_.EndCommandBuffer(commands_));
  return Status::Ok();
}

Status VulkanDevice::Run() {
  vk::SubmitInfo submit;
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands_;
  TC_VK_CALL(ResetFences, call_.ResetFences(handle_, 1, &fence_));
  TC_VK_CALL(QueueSubmit, call_.QueueSubmit(queue_, 1, &submit, fence_));
  const vk::Code code = call_.WaitForFences(handle_, 1, &fence_, 1, kTimeoutNanoseconds);
  stuck_ = code == vk::kTimeout;
  if (code != vk::kSuccess) return VulkanError("vkWaitForFences", code);
  return Status::Ok();
}

Result<VulkanBuffer> VulkanBuffer::Allocate(VulkanDevice& device, uint64_t bytes,
                                            MemoryKind kind) {
  const vk::DeviceFunctions& call = device.call_;
  VulkanBuffer buffer(&device);
  buffer.size_ = bytes;
  vk::BufferCreateInfo info;
  info.size = bytes;
  info.usage = vk::kBufferTransferSource | vk::kBufferTransferTarget;
  TC_VK_CALL(CreateBuffer, call.CreateBuffer(device.handle_, &info, nullptr, &buffer.buffer_));
  vk::MemoryRequirements needs;
  call.GetBufferMemoryRequirements(device.handle_, buffer.buffer_, &needs);
  const auto type = FindMemoryType(device.memory_, device.heap_, needs.memoryTypeBits, kind);
  if (!type) {
    return Status(StatusCode::kIo, kind == MemoryKind::kDevice
                                       ? "the GPU's memory takes no buffers"
                                       : "the GPU shares no memory with the host");
  }
  vk::MemoryAllocateInfo allocation;
  allocation.allocationSize = needs.size;
  allocation.memoryTypeIndex = *type;
  TC_VK_CALL(AllocateMemory,
             call.AllocateMemory(device.handle_, &allocation, nullptr, &buffer.memory_));
  TC_VK_CALL(BindBufferMemory,
             call.BindBufferMemory(device.handle_, buffer.buffer_, buffer.memory_, 0));
  if (kind == MemoryKind::kDevice) return buffer;
  void* mapped = nullptr;
  TC_VK_CALL(MapMemory,
             call.MapMemory(device.handle_, buffer.memory_, 0, ~uint64_t{0}, 0, &mapped));
  buffer.host_ = static_cast<std::byte*>(mapped);
  return buffer;
}

VulkanBuffer::VulkanBuffer(VulkanBuffer&& other) noexcept
    : device_(other.device_),
      buffer_(std::exchange(other.buffer_, 0)),
      memory_(std::exchange(other.memory_, 0)),
      size_(other.size_),
      host_(other.host_) {}

VulkanBuffer::~VulkanBuffer() {
  if (device_->stuck_) return;
  // Freeing memory unmaps it.
  if (buffer_ != 0) device_->call_.DestroyBuffer(device_->handle_, buffer_, nullptr);
  if (memory_ != 0) device_->call_.FreeMemory(device_->handle_, memory_, nullptr);
}

}  // namespace thermocline
