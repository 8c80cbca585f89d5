// The part of Vulkan 1.1 that the probe uses, written down from the specification: no headers are
// needed to build, and the library is looked for at run time. Names are Vulkan's without their
// prefix. vulkan_api_test.cc compares all of it with the real headers where they are installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace thermocline::vk {

static_assert(sizeof(void*) == 8, "handles are declared for 64-bit systems");

using Code = int32_t;  // VkResult
using Flags = uint32_t;
using Bool32 = uint32_t;
using DeviceSize = uint64_t;

// Dispatchable handles are pointers, the others 64-bit numbers.
using Instance = struct InstanceObject*;
using PhysicalDevice = struct PhysicalDeviceObject*;
using Device = struct DeviceObject*;
using Queue = struct QueueObject*;
using CommandBuffer = struct CommandBufferObject*;
using Buffer = uint64_t;
using DeviceMemory = uint64_t;
using Fence = uint64_t;
using CommandPool = uint64_t;
using Semaphore = uint64_t;

constexpr Code kSuccess = 0;
constexpr Code kTimeout = 2;
constexpr Code kIncomplete = 5;
constexpr Code kOutOfHostMemory = -1;
constexpr Code kOutOfDeviceMemory = -2;
constexpr Code kIncompatibleDriver = -9;

constexpr uint32_t kApiVersion11 = (1U << 22) | (1U << 12);

constexpr int32_t kTypeApplicationInfo = 0;
constexpr int32_t kTypeInstanceCreateInfo = 1;
constexpr int32_t kTypeDeviceQueueCreateInfo = 2;
constexpr int32_t kTypeDeviceCreateInfo = 3;
constexpr int32_t kTypeSubmitInfo = 4;
constexpr int32_t kTypeMemoryAllocateInfo = 5;
constexpr int32_t kTypeFenceCreateInfo = 8;
constexpr int32_t kTypeBufferCreateInfo = 12;
constexpr int32_t kTypeCommandPoolCreateInfo = 39;
constexpr int32_t kTypeCommandBufferAllocateInfo = 40;
constexpr int32_t kTypeCommandBufferBeginInfo = 42;
constexpr int32_t kTypeMemoryBarrier = 46;
constexpr int32_t kTypeMemoryProperties2 = 1000059006;
constexpr int32_t kTypeMemoryBudget = 1000237000;

enum class DeviceType : int32_t {
  kOther = 0,
  kIntegrated = 1,
  kDiscrete = 2,
  kVirtual = 3,
  kCpu = 4
};

constexpr Flags kQueueCompute = 2;
constexpr Flags kHeapDeviceLocal = 1;
constexpr Flags kMemoryDeviceLocal = 1;
constexpr Flags kMemoryHostVisible = 2;
constexpr Flags kMemoryHostCoherent = 4;
constexpr Flags kMemoryHostCached = 8;
constexpr Flags kBufferTransferSource = 1;
constexpr Flags kBufferTransferTarget = 2;
constexpr Flags kPoolResetCommandBuffer = 2;
constexpr Flags kStageTransfer = 0x1000;
constexpr Flags kStageHost = 0x4000;
constexpr Flags kAccessTransferRead = 0x800;
constexpr Flags kAccessTransferWrite = 0x1000;
constexpr Flags kAccessHostRead = 0x2000;

struct ApplicationInfo {
  int32_t sType = kTypeApplicationInfo;
  const void* pNext = nullptr;
  const char* pApplicationName = nullptr;
  uint32_t applicationVersion = 0;
  const char* pEngineName = nullptr;
  uint32_t engineVersion = 0;
  uint32_t apiVersion = 0;
};

struct InstanceCreateInfo {
  int32_t sType = kTypeInstanceCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  const ApplicationInfo* pApplicationInfo = nullptr;
  uint32_t enabledLayerCount = 0;
  const char* const* ppEnabledLayerNames = nullptr;
  uint32_t enabledExtensionCount = 0;
  const char* const* ppEnabledExtensionNames = nullptr;
};

struct PhysicalDeviceProperties {
  uint32_t apiVersion = 0;
  uint32_t driverVersion = 0;
  uint32_t vendorID = 0;
  uint32_t deviceID = 0;
  DeviceType deviceType = DeviceType::kOther;
  char deviceName[256] = {};
  uint8_t pipelineCacheUUID[16] = {};
  alignas(8) std::byte limits[504] = {};  // not used
  uint32_t sparseProperties[5] = {};      // not used
};

struct MemoryType {
  Flags propertyFlags = 0;
  uint32_t heapIndex = 0;
};

struct MemoryHeap {
  DeviceSize size = 0;
  Flags flags = 0;
};

struct PhysicalDeviceMemoryProperties {
  uint32_t memoryTypeCount = 0;
  MemoryType memoryTypes[32] = {};
  uint32_t memoryHeapCount = 0;
  MemoryHeap memoryHeaps[16] = {};
};

struct PhysicalDeviceMemoryProperties2 {
  int32_t sType = kTypeMemoryProperties2;
  void* pNext = nullptr;
  PhysicalDeviceMemoryProperties memoryProperties = {};
};

struct PhysicalDeviceMemoryBudgetProperties {
  int32_t sType = kTypeMemoryBudget;
  void* pNext = nullptr;
  DeviceSize heapBudget[16] = {};
  DeviceSize heapUsage[16] = {};
};

struct QueueFamilyProperties {
  Flags queueFlags = 0;
  uint32_t queueCount = 0;
  uint32_t timestampValidBits = 0;
  uint32_t minImageTransferGranularity[3] = {};
};

struct ExtensionProperties {
  char extensionName[256] = {};
  uint32_t specVersion = 0;
};

struct DeviceQueueCreateInfo {
  int32_t sType = kTypeDeviceQueueCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  uint32_t queueFamilyIndex = 0;
  uint32_t queueCount = 0;
  const float* pQueuePriorities = nullptr;
};

struct DeviceCreateInfo {
  int32_t sType = kTypeDeviceCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  uint32_t queueCreateInfoCount = 0;
  const DeviceQueueCreateInfo* pQueueCreateInfos = nullptr;
  uint32_t enabledLayerCount = 0;
  const char* const* ppEnabledLayerNames = nullptr;
  uint32_t enabledExtensionCount = 0;
  const char* const* ppEnabledExtensionNames = nullptr;
  const void* pEnabledFeatures = nullptr;
};

struct BufferCreateInfo {
  int32_t sType = kTypeBufferCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  DeviceSize size = 0;
  Flags usage = 0;
  int32_t sharingMode = 0;  // exclusive
  uint32_t queueFamilyIndexCount = 0;
  const uint32_t* pQueueFamilyIndices = nullptr;
};

struct MemoryRequirements {
  DeviceSize size = 0;
  DeviceSize alignment = 0;
  uint32_t memoryTypeBits = 0;
};

struct MemoryAllocateInfo {
  int32_t sType = kTypeMemoryAllocateInfo;
  const void* pNext = nullptr;
  DeviceSize allocationSize = 0;
  uint32_t memoryTypeIndex = 0;
};

struct CommandPoolCreateInfo {
  int32_t sType = kTypeCommandPoolCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  uint32_t queueFamilyIndex = 0;
};

struct CommandBufferAllocateInfo {
  int32_t sType = kTypeCommandBufferAllocateInfo;
  const void* pNext = nullptr;
  CommandPool commandPool = 0;
  int32_t level = 0;  // primary
  uint32_t commandBufferCount = 0;
};

struct CommandBufferBeginInfo {
  int32_t sType = kTypeCommandBufferBeginInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
  const void* pInheritanceInfo = nullptr;
};

struct FenceCreateInfo {
  int32_t sType = kTypeFenceCreateInfo;
  const void* pNext = nullptr;
  Flags flags = 0;
};

struct MemoryBarrier {
  int32_t sType = kTypeMemoryBarrier;
  const void* pNext = nullptr;
  Flags srcAccessMask = 0;
  Flags dstAccessMask = 0;
};

struct BufferCopy {
  DeviceSize srcOffset = 0;
  DeviceSize dstOffset = 0;
  DeviceSize size = 0;
};

struct SubmitInfo {
  int32_t sType = kTypeSubmitInfo;
  const void* pNext = nullptr;
  uint32_t waitSemaphoreCount = 0;
  const Semaphore* pWaitSemaphores = nullptr;
  const Flags* pWaitDstStageMask = nullptr;
  uint32_t commandBufferCount = 0;
  const CommandBuffer* pCommandBuffers = nullptr;
  uint32_t signalSemaphoreCount = 0;
  const Semaphore* pSignalSemaphores = nullptr;
};

static_assert(sizeof(ApplicationInfo) == 48);
static_assert(sizeof(InstanceCreateInfo) == 64);
static_assert(sizeof(PhysicalDeviceProperties) == 824);
static_assert(offsetof(PhysicalDeviceProperties, limits) == 296);
static_assert(sizeof(PhysicalDeviceMemoryProperties) == 520);
static_assert(sizeof(PhysicalDeviceMemoryProperties2) == 536);
static_assert(sizeof(PhysicalDeviceMemoryBudgetProperties) == 272);
static_assert(sizeof(QueueFamilyProperties) == 24);
static_assert(sizeof(ExtensionProperties) == 260);
static_assert(sizeof(DeviceQueueCreateInfo) == 40);
static_assert(sizeof(DeviceCreateInfo) == 72);
static_assert(sizeof(BufferCreateInfo) == 56);
static_assert(sizeof(MemoryRequirements) == 24);
static_assert(sizeof(MemoryAllocateInfo) == 32);
static_assert(sizeof(CommandPoolCreateInfo) == 24);
static_assert(sizeof(CommandBufferAllocateInfo) == 32);
static_assert(sizeof(CommandBufferBeginInfo) == 32);
static_assert(sizeof(FenceCreateInfo) == 24);
static_assert(sizeof(MemoryBarrier) == 24);
static_assert(sizeof(BufferCopy) == 24);
static_assert(sizeof(SubmitInfo) == 72);

// Every function that is used, with its type; `void*` stands for allocators (null throughout).
// clang-format off
#define TC_VK_INSTANCE_FUNCTIONS(X)                                                              \
  X(DestroyInstance, void(Instance, const void*))                                                \
  X(EnumeratePhysicalDevices, Code(Instance, uint32_t*, PhysicalDevice*))                        \
  X(GetPhysicalDeviceProperties, void(PhysicalDevice, PhysicalDeviceProperties*))                \
  X(GetPhysicalDeviceMemoryProperties2, void(PhysicalDevice, PhysicalDeviceMemoryProperties2*))  \
  X(GetPhysicalDeviceQueueFamilyProperties,                                                      \
    void(PhysicalDevice, uint32_t*, QueueFamilyProperties*))                                     \
  X(EnumerateDeviceExtensionProperties,                                                          \
    Code(PhysicalDevice, const char*, uint32_t*, ExtensionProperties*))                          \
  X(CreateDevice, Code(PhysicalDevice, const DeviceCreateInfo*, const void*, Device*))           \
  X(GetDeviceProcAddr, AnyFunction*(Device, const char*))

#define TC_VK_DEVICE_FUNCTIONS(X)                                                                \
  X(DestroyDevice, void(Device, const void*))                                                    \
  X(GetDeviceQueue, void(Device, uint32_t, uint32_t, Queue*))                                    \
  X(CreateBuffer, Code(Device, const BufferCreateInfo*, const void*, Buffer*))                   \
  X(DestroyBuffer, void(Device, Buffer, const void*))                                            \
  X(GetBufferMemoryRequirements, void(Device, Buffer, MemoryRequirements*))                      \
  X(AllocateMemory, Code(Device, const MemoryAllocateInfo*, const void*, DeviceMemory*))         \
  X(FreeMemory, void(Device, DeviceMemory, const void*))                                         \
  X(BindBufferMemory, Code(Device, Buffer, DeviceMemory, DeviceSize))                            \
  X(MapMemory, Code(Device, DeviceMemory, DeviceSize, DeviceSize, Flags, void**))                \
  X(CreateCommandPool, Code(Device, const CommandPoolCreateInfo*, const void*, CommandPool*))    \
  X(DestroyCommandPool, void(Device, CommandPool, const void*))                                  \
  X(AllocateCommandBuffers, Code(Device, const CommandBufferAllocateInfo*, CommandBuffer*))      \
  X(BeginCommandBuffer, Code(CommandBuffer, const CommandBufferBeginInfo*))                      \
  X(EndCommandBuffer, Code(CommandBuffer))                                                       \
  X(CmdCopyBuffer, void(CommandBuffer, Buffer, Buffer, uint32_t, const BufferCopy*))             \
  X(CmdFillBuffer, void(CommandBuffer, Buffer, DeviceSize, DeviceSize, uint32_t))                \
  X(CmdPipelineBarrier,                                                                          \
    void(CommandBuffer, Flags, Flags, Flags, uint32_t, const MemoryBarrier*, uint32_t,           \
         const void*, uint32_t, const void*))                                                    \
  X(CreateFence, Code(Device, const FenceCreateInfo*, const void*, Fence*))                      \
  X(DestroyFence, void(Device, Fence, const void*))                                              \
  X(ResetFences, Code(Device, uint32_t, const Fence*))                                           \
  X(WaitForFences, Code(Device, uint32_t, const Fence*, Bool32, uint64_t))                       \
  X(QueueSubmit, Code(Queue, uint32_t, const SubmitInfo*, Fence))
// clang-format on

using AnyFunction = void();
using CreateInstanceFunction = Code(const InstanceCreateInfo*, const void*, Instance*);
using GetInstanceProcAddrFunction = AnyFunction*(Instance, const char*);

#define TC_VK_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
struct InstanceFunctions {
  TC_VK_INSTANCE_FUNCTIONS(TC_VK_MEMBER)
};
struct DeviceFunctions {
  TC_VK_DEVICE_FUNCTIONS(TC_VK_MEMBER)
};
#undef TC_VK_MEMBER

}  // namespace thermocline::vk
