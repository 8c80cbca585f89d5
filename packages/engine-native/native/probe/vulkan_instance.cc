#include "probe/vulkan_instance.h"

#include <algorithm>
#include <cstring>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#define TC_HAS_DLOPEN 1
#else
#define TC_HAS_DLOPEN 0
#endif

namespace thermocline {
namespace {

#if defined(__APPLE__)
constexpr const char* kLibrary = "libvulkan.1.dylib";
#else
constexpr const char* kLibrary = "libvulkan.so.1";
#endif
constexpr const char* kBudgetExtension = "VK_EXT_memory_budget";

const char* CodeName(vk::Code code) {
  switch (code) {
    case 1: return "VK_NOT_READY";
    case 2: return "VK_TIMEOUT";
    case 5: return "VK_INCOMPLETE";
    case -1: return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case -2: return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case -3: return "VK_ERROR_INITIALIZATION_FAILED";
    case -4: return "VK_ERROR_DEVICE_LOST";
    case -5: return "VK_ERROR_MEMORY_MAP_FAILED";
    case -6: return "VK_ERROR_LAYER_NOT_PRESENT";
    case -7: return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case -8: return "VK_ERROR_FEATURE_NOT_PRESENT";
    case -9: return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case -10: return "VK_ERROR_TOO_MANY_OBJECTS";
    case -13: return "VK_ERROR_UNKNOWN";
    default: return "VkResult";
  }
}

// The library's one entry point.
struct Library {
  vk::GetInstanceProcAddrFunction* get = nullptr;
};

// It stays loaded: drivers keep threads and thread-local data that must not lose their code.
Result<Library> LoadLibrary() {
#if TC_HAS_DLOPEN
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return Status(StatusCode::kIo, std::string("Vulkan is not installed: ") +
                                       (reason != nullptr ? reason : "dlopen failed"),
                  kLibrary);
  }
  void* const entry = dlsym(library, "vkGetInstanceProcAddr");
  if (entry == nullptr) {
    return Status(StatusCode::kIo, "it has no vkGetInstanceProcAddr", kLibrary);
  }
  return Library{reinterpret_cast<vk::GetInstanceProcAddrFunction*>(entry)};
#else
  return Status(StatusCode::kIo, "GPUs are not looked for on this system so far", kLibrary);
#endif
}

template <typename Function>
void Set(Function& function, vk::AnyFunction* address) {
  function = reinterpret_cast<Function>(address);
}

Result<vk::InstanceFunctions> LoadFunctions(const Library& library, vk::Instance instance) {
  vk::InstanceFunctions functions;
#define TC_VK_LOAD(name, ...)                                                \
  Set(functions.name, library.get(instance, "vk" #name));                    \
  if (functions.name == nullptr) {                                           \
    return Status(StatusCode::kIo, "it has no function vk" #name, kLibrary); \
  }
  TC_VK_INSTANCE_FUNCTIONS(TC_VK_LOAD)
#undef TC_VK_LOAD
  return functions;
}

std::optional<uint32_t> FindComputeFamily(const vk::InstanceFunctions& call,
                                          vk::PhysicalDevice device) {
  uint32_t count = 0;
  call.GetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<vk::QueueFamilyProperties> families(count);
  call.GetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  for (uint32_t i = 0; i < count; ++i) {
    if ((families[i].queueFlags & vk::kQueueCompute) != 0 && families[i].queueCount > 0) return i;
  }
  return std::nullopt;
}

bool HasExtension(const vk::InstanceFunctions& call, vk::PhysicalDevice device,
                  const char* wanted) {
  uint32_t count = 0;
  if (call.EnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr) != vk::kSuccess) {
    return false;
  }
  std::vector<vk::ExtensionProperties> all(count);
  const vk::Code code =
      call.EnumerateDeviceExtensionProperties(device, nullptr, &count, all.data());
  if (code != vk::kSuccess && code != vk::kIncomplete) return false;
  all.resize(std::min<size_t>(count, all.size()));
  return std::any_of(all.begin(), all.end(), [&](const vk::ExtensionProperties& extension) {
    return std::strncmp(extension.extensionName, wanted, sizeof extension.extensionName) == 0;
  });
}

// Finds the heap that weights would lie in, and what is left of it.
void DescribeMemory(const vk::InstanceFunctions& call, GpuInfo& gpu) {
  vk::PhysicalDeviceMemoryBudgetProperties budget;
  vk::PhysicalDeviceMemoryProperties2 memory;
  const bool says = HasExtension(call, gpu.handle, kBudgetExtension);
  if (says) memory.pNext = &budget;
  call.GetPhysicalDeviceMemoryProperties2(gpu.handle, &memory);
  const auto& heaps = memory.memoryProperties.memoryHeaps;
  const uint32_t count = std::min(memory.memoryProperties.memoryHeapCount, 16U);
  for (uint32_t i = 0; i < count; ++i) {
    const bool local = (heaps[i].flags & vk::kHeapDeviceLocal) != 0;
    if (!local || heaps[i].size <= gpu.capacity_bytes) continue;
    gpu.capacity_bytes = heaps[i].size;
    gpu.heap = i;
  }
  if (!says || gpu.capacity_bytes == 0) return;
  const uint64_t free = budget.heapBudget[gpu.heap] -
                        std::min(budget.heapBudget[gpu.heap], budget.heapUsage[gpu.heap]);
  gpu.available_bytes = std::min(free, gpu.capacity_bytes);
}

GpuInfo DescribeGpu(const vk::InstanceFunctions& call, vk::PhysicalDevice device) {
  vk::PhysicalDeviceProperties properties;
  call.GetPhysicalDeviceProperties(device, &properties);
  GpuInfo gpu;
  gpu.handle = device;
  gpu.name.assign(properties.deviceName,
                  strnlen(properties.deviceName, sizeof properties.deviceName));
  gpu.type = properties.deviceType;
  gpu.vendor_id = properties.vendorID;
  gpu.device_id = properties.deviceID;
  if (properties.apiVersion < vk::kApiVersion11) {
    gpu.unusable = "its driver knows Vulkan 1.0 only; 1.1 is needed";
    return gpu;
  }
  DescribeMemory(call, gpu);
  const auto family = FindComputeFamily(call, device);
  gpu.queue_family = family.value_or(0);
  if (!family) gpu.unusable = "it does not compute";
  if (gpu.capacity_bytes == 0) gpu.unusable = "it has no memory of its own";
  return gpu;
}

int Rank(vk::DeviceType type) {
  switch (type) {
    case vk::DeviceType::kDiscrete: return 4;
    case vk::DeviceType::kIntegrated: return 3;
    case vk::DeviceType::kVirtual: return 2;
    case vk::DeviceType::kOther: return 1;
    case vk::DeviceType::kCpu: return 0;
  }
  return 1;
}

}  // namespace

Status VulkanError(const char* call, vk::Code code) {
  const bool memory = code == vk::kOutOfHostMemory || code == vk::kOutOfDeviceMemory;
  return Status(memory ? StatusCode::kOutOfMemory : StatusCode::kIo,
                std::string(call) + " failed: " + CodeName(code) + " (" + std::to_string(code) +
                    ")",
                kLibrary);
}

Result<VulkanInstance> VulkanInstance::Create() {
  ASSIGN_OR_RETURN(const Library library, LoadLibrary());
  vk::CreateInstanceFunction* create = nullptr;
  Set(create, library.get(nullptr, "vkCreateInstance"));
  if (create == nullptr) return Status(StatusCode::kIo, "it has no vkCreateInstance", kLibrary);
  vk::ApplicationInfo application;
  application.pApplicationName = "thermocline";
  application.apiVersion = vk::kApiVersion11;
  vk::InstanceCreateInfo info;
  info.pApplicationInfo = &application;
  VulkanInstance instance;
  const vk::Code code = create(&info, nullptr, &instance.handle_);
  if (code != vk::kSuccess) instance.handle_ = nullptr;
  if (code == vk::kIncompatibleDriver) {
    return Status(StatusCode::kIo, "Vulkan is installed, but no driver for it", kLibrary);
  }
  if (code != vk::kSuccess) return VulkanError("vkCreateInstance", code);
  // First alone, so that the instance can be destroyed when another function is missing.
  Set(instance.functions_.DestroyInstance, library.get(instance.handle_, "vkDestroyInstance"));
  ASSIGN_OR_RETURN(instance.functions_, LoadFunctions(library, instance.handle_));
  return instance;
}

VulkanInstance::~VulkanInstance() {
  if (handle_ != nullptr && functions_.DestroyInstance != nullptr) {
    functions_.DestroyInstance(handle_, nullptr);
  }
}

Result<std::vector<GpuInfo>> VulkanInstance::ListGpus() const {
  uint32_t count = 0;
  vk::Code code = functions_.EnumeratePhysicalDevices(handle_, &count, nullptr);
  if (code != vk::kSuccess) return VulkanError("vkEnumeratePhysicalDevices", code);
  std::vector<vk::PhysicalDevice> devices(count);
  code = functions_.EnumeratePhysicalDevices(handle_, &count, devices.data());
  if (code != vk::kSuccess && code != vk::kIncomplete) {
    return VulkanError("vkEnumeratePhysicalDevices", code);
  }
  devices.resize(std::min<size_t>(count, devices.size()));
  std::vector<GpuInfo> gpus;
  for (const vk::PhysicalDevice device : devices) gpus.push_back(DescribeGpu(functions_, device));
  return gpus;
}

Result<std::vector<GpuInfo>> ListGpus() {
  ASSIGN_OR_RETURN(const VulkanInstance instance, VulkanInstance::Create());
  ASSIGN_OR_RETURN(std::vector<GpuInfo> gpus, instance.ListGpus());
  for (GpuInfo& gpu : gpus) gpu.handle = nullptr;  // it ends with the instance
  return gpus;
}

Result<GpuInfo> ChooseGpu(const std::vector<GpuInfo>& gpus, bool cpu_devices) {
  const GpuInfo* best = nullptr;
  std::string refused;
  for (const GpuInfo& gpu : gpus) {
    std::string why = gpu.unusable;
    if (why.empty() && gpu.type == vk::DeviceType::kCpu && !cpu_devices) {
      why = "a processor that poses as a GPU";
    }
    if (!why.empty()) {
      refused += (refused.empty() ? "" : "; ") + gpu.name + ": " + why;
      continue;
    }
    const auto key = [](const GpuInfo& g) { return std::pair(Rank(g.type), g.capacity_bytes); };
    if (best == nullptr || key(gpu) > key(*best)) best = &gpu;
  }
  if (best != nullptr) return *best;
  if (!refused.empty()) refused = " (" + refused + ")";
  return Status(StatusCode::kIo, "no GPU was found" + refused);
}

}  // namespace thermocline
