// Compares our own declarations of Vulkan with the real headers. They are no requirement, so
// without them there is nothing to compare.
#include "probe/vulkan_api.h"

#include "util/testing.h"

#if __has_include(<vulkan/vulkan_core.h>)
#include <vulkan/vulkan_core.h>

namespace thermocline {
namespace {

#define SAME_SIZE(ours, theirs) static_assert(sizeof(vk::ours) == sizeof(theirs))
#define SAME_PLACE(ours, theirs, member) \
  static_assert(offsetof(vk::ours, member) == offsetof(theirs, member))
#define SAME(ours, theirs) \
  static_assert(static_cast<int64_t>(vk::ours) == static_cast<int64_t>(theirs))

SAME_SIZE(ApplicationInfo, VkApplicationInfo);
SAME_SIZE(InstanceCreateInfo, VkInstanceCreateInfo);
SAME_SIZE(PhysicalDeviceProperties, VkPhysicalDeviceProperties);
SAME_SIZE(MemoryType, VkMemoryType);
SAME_SIZE(MemoryHeap, VkMemoryHeap);
SAME_SIZE(PhysicalDeviceMemoryProperties, VkPhysicalDeviceMemoryProperties);
SAME_SIZE(PhysicalDeviceMemoryProperties2, VkPhysicalDeviceMemoryProperties2);
SAME_SIZE(PhysicalDeviceMemoryBudgetProperties, VkPhysicalDeviceMemoryBudgetPropertiesEXT);
SAME_SIZE(QueueFamilyProperties, VkQueueFamilyProperties);
SAME_SIZE(ExtensionProperties, VkExtensionProperties);
SAME_SIZE(DeviceQueueCreateInfo, VkDeviceQueueCreateInfo);
SAME_SIZE(DeviceCreateInfo, VkDeviceCreateInfo);
SAME_SIZE(BufferCreateInfo, VkBufferCreateInfo);
SAME_SIZE(MemoryRequirements, VkMemoryRequirements);
SAME_SIZE(MemoryAllocateInfo, VkMemoryAllocateInfo);
SAME_SIZE(CommandPoolCreateInfo, VkCommandPoolCreateInfo);
SAME_SIZE(CommandBufferAllocateInfo, VkCommandBufferAllocateInfo);
SAME_SIZE(CommandBufferBeginInfo, VkCommandBufferBeginInfo);
SAME_SIZE(FenceCreateInfo, VkFenceCreateInfo);
SAME_SIZE(MemoryBarrier, VkMemoryBarrier);
SAME_SIZE(BufferCopy, VkBufferCopy);
SAME_SIZE(SubmitInfo, VkSubmitInfo);
SAME_SIZE(Buffer, VkBuffer);
SAME_SIZE(CommandBuffer, VkCommandBuffer);

SAME_PLACE(ApplicationInfo, VkApplicationInfo, apiVersion);
SAME_PLACE(InstanceCreateInfo, VkInstanceCreateInfo, pApplicationInfo);
SAME_PLACE(PhysicalDeviceProperties, VkPhysicalDeviceProperties, deviceType);
SAME_PLACE(PhysicalDeviceProperties, VkPhysicalDeviceProperties, deviceName);
SAME_PLACE(PhysicalDeviceProperties, VkPhysicalDeviceProperties, limits);
SAME_PLACE(PhysicalDeviceProperties, VkPhysicalDeviceProperties, sparseProperties);
SAME_PLACE(MemoryHeap, VkMemoryHeap, flags);
SAME_PLACE(PhysicalDeviceMemoryProperties, VkPhysicalDeviceMemoryProperties, memoryTypes);
SAME_PLACE(PhysicalDeviceMemoryProperties, VkPhysicalDeviceMemoryProperties, memoryHeapCount);
SAME_PLACE(PhysicalDeviceMemoryProperties, VkPhysicalDeviceMemoryProperties, memoryHeaps);
SAME_PLACE(PhysicalDeviceMemoryProperties2, VkPhysicalDeviceMemoryProperties2, memoryProperties);
SAME_PLACE(PhysicalDeviceMemoryBudgetProperties, VkPhysicalDeviceMemoryBudgetPropertiesEXT,
           heapUsage);
SAME_PLACE(QueueFamilyProperties, VkQueueFamilyProperties, queueCount);
SAME_PLACE(ExtensionProperties, VkExtensionProperties, specVersion);
SAME_PLACE(DeviceQueueCreateInfo, VkDeviceQueueCreateInfo, queueFamilyIndex);
SAME_PLACE(DeviceQueueCreateInfo, VkDeviceQueueCreateInfo, queueCount);
SAME_PLACE(DeviceQueueCreateInfo, VkDeviceQueueCreateInfo, pQueuePriorities);
SAME_PLACE(DeviceCreateInfo, VkDeviceCreateInfo, queueCreateInfoCount);
SAME_PLACE(DeviceCreateInfo, VkDeviceCreateInfo, pQueueCreateInfos);
SAME_PLACE(DeviceCreateInfo, VkDeviceCreateInfo, enabledExtensionCount);
SAME_PLACE(DeviceCreateInfo, VkDeviceCreateInfo, pEnabledFeatures);
SAME_PLACE(BufferCreateInfo, VkBufferCreateInfo, size);
SAME_PLACE(BufferCreateInfo, VkBufferCreateInfo, usage);
SAME_PLACE(BufferCreateInfo, VkBufferCreateInfo, sharingMode);
SAME_PLACE(MemoryRequirements, VkMemoryRequirements, memoryTypeBits);
SAME_PLACE(MemoryAllocateInfo, VkMemoryAllocateInfo, allocationSize);
SAME_PLACE(MemoryAllocateInfo, VkMemoryAllocateInfo, memoryTypeIndex);
SAME_PLACE(CommandPoolCreateInfo, VkCommandPoolCreateInfo, queueFamilyIndex);
SAME_PLACE(CommandBufferAllocateInfo, VkCommandBufferAllocateInfo, commandPool);
SAME_PLACE(CommandBufferAllocateInfo, VkCommandBufferAllocateInfo, level);
SAME_PLACE(CommandBufferAllocateInfo, VkCommandBufferAllocateInfo, commandBufferCount);
SAME_PLACE(MemoryBarrier, VkMemoryBarrier, srcAccessMask);
SAME_PLACE(MemoryBarrier, VkMemoryBarrier, dstAccessMask);
SAME_PLACE(BufferCopy, VkBufferCopy, size);
SAME_PLACE(SubmitInfo, VkSubmitInfo, commandBufferCount);
SAME_PLACE(SubmitInfo, VkSubmitInfo, pCommandBuffers);

SAME(kSuccess, VK_SUCCESS);
SAME(kTimeout, VK_TIMEOUT);
SAME(kIncomplete, VK_INCOMPLETE);
SAME(kOutOfHostMemory, VK_ERROR_OUT_OF_HOST_MEMORY);
SAME(kOutOfDeviceMemory, VK_ERROR_OUT_OF_DEVICE_MEMORY);
SAME(kIncompatibleDriver, VK_ERROR_INCOMPATIBLE_DRIVER);
SAME(kApiVersion11, VK_API_VERSION_1_1);
SAME(kTypeApplicationInfo, VK_STRUCTURE_TYPE_APPLICATION_INFO);
SAME(kTypeInstanceCreateInfo, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
SAME(kTypeDeviceQueueCreateInfo, VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
SAME(kTypeDeviceCreateInfo, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
SAME(kTypeSubmitInfo, VK_STRUCTURE_TYPE_SUBMIT_INFO);
SAME(kTypeMemoryAllocateInfo, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
SAME(kTypeFenceCreateInfo, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
SAME(kTypeBufferCreateInfo, VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
SAME(kTypeCommandPoolCreateInfo, VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
SAME(kTypeCommandBufferAllocateInfo, VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
SAME(kTypeCommandBufferBeginInfo, VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
SAME(kTypeMemoryBarrier, VK_STRUCTURE_TYPE_MEMORY_BARRIER);
SAME(kTypeMemoryProperties2, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
SAME(kTypeMemoryBudget, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
SAME(DeviceType::kOther, VK_PHYSICAL_DEVICE_TYPE_OTHER);
SAME(DeviceType::kIntegrated, VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU);
SAME(DeviceType::kDiscrete, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
SAME(DeviceType::kVirtual, VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU);
SAME(DeviceType::kCpu, VK_PHYSICAL_DEVICE_TYPE_CPU);
SAME(kQueueCompute, VK_QUEUE_COMPUTE_BIT);
SAME(kHeapDeviceLocal, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT);
SAME(kMemoryDeviceLocal, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
SAME(kMemoryHostVisible, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
SAME(kMemoryHostCoherent, VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
SAME(kMemoryHostCached, VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
SAME(kBufferTransferSource, VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
SAME(kBufferTransferTarget, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
SAME(kPoolResetCommandBuffer, VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT);
SAME(kStageTransfer, VK_PIPELINE_STAGE_TRANSFER_BIT);
SAME(kStageHost, VK_PIPELINE_STAGE_HOST_BIT);
SAME(kAccessTransferRead, VK_ACCESS_TRANSFER_READ_BIT);
SAME(kAccessTransferWrite, VK_ACCESS_TRANSFER_WRITE_BIT);
SAME(kAccessHostRead, VK_ACCESS_HOST_READ_BIT);

TEST(VulkanApi, EqualsTheRealHeaders) {}  // what is above was compared at compile time

}  // namespace
}  // namespace thermocline

#else

TEST(VulkanApi, EqualsTheRealHeaders) { SKIP("no Vulkan headers are installed"); }

#endif
