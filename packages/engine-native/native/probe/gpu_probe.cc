#include "probe/gpu_probe.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "probe/measuring.h"
#include "probe/vulkan_device.h"

namespace thermocline {
namespace {

constexpr uint64_t kMiB = 1U << 20;
constexpr uint64_t kHiddenStateBytes = 8192 * 4;  // F32, the width of a 70B model
constexpr int kRounds = 8;  // a GPU that sleeps needs some time to reach its clock
constexpr double kRoundSeconds = 0.04;  // so long that starting and waiting do not count
constexpr int kMaxCopies = 1024;
constexpr int kSyncWarmUp = 20;
constexpr int kSyncRounds = 501;
constexpr double kSyncSeconds = 0.3;  // at most

bool Cancelled(const GpuProbeOptions& options) {
  return options.cancel != nullptr && *options.cancel;
}

void Report(const GpuProbeOptions& options, double fraction) {
  if (options.progress) options.progress(fraction);
}

// What was written before is there for the copies (and for the host) that come after.
void Barrier(const vk::DeviceFunctions& call, vk::CommandBuffer commands, vk::Flags stage,
             vk::Flags access) {
  vk::MemoryBarrier barrier;
  barrier.srcAccessMask = vk::kAccessTransferWrite;
  barrier.dstAccessMask = access;
  call.CmdPipelineBarrier(commands, vk::kStageTransfer, stage, 0, 1, &barrier, 0, nullptr, 0,
                          nullptr);
}

constexpr vk::Flags kAccessTransfer = vk::kAccessTransferRead | vk::kAccessTransferWrite;

Status RecordCopies(VulkanDevice& device, const VulkanBuffer& from, const VulkanBuffer& to,
                    int copies) {
  return device.Record([&](const vk::DeviceFunctions& call, vk::CommandBuffer commands) {
    vk::BufferCopy all;
    all.size = std::min(from.size(), to.size());
    for (int i = 0; i < copies; ++i) {
      call.CmdCopyBuffer(commands, from.handle(), to.handle(), 1, &all);
      Barrier(call, commands, vk::kStageTransfer, kAccessTransfer);
    }
  });
}

// Bytes copied per second, best of several rounds; copies share a submission until it takes a
// while, so that the cost of submitting is not counted.
Result<double> CopyRate(VulkanDevice& device, const VulkanBuffer& from, const VulkanBuffer& to,
                        const GpuProbeOptions& options) {
  const auto bytes = static_cast<double>(std::min(from.size(), to.size()));
  int copies = 1;
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (Cancelled(options)) return AbortedStatus();
    RETURN_IF_ERROR(RecordCopies(device, from, to, copies));
    const auto start = Clock::now();
    RETURN_IF_ERROR(device.Run());
    const double took = SecondsSince(start);
    best = std::max(best, bytes * copies / took);
    // The first round also clears the device's memory and wakes it up.
    if (took >= kRoundSeconds || copies == kMaxCopies) continue;
    copies = std::clamp(static_cast<int>(kRoundSeconds / took * copies) + 1, copies, kMaxCopies);
  }
  return best;
}

Status FillBuffer(VulkanDevice& device, const VulkanBuffer& buffer) {
  RETURN_IF_ERROR(device.Record([&](const vk::DeviceFunctions& call, vk::CommandBuffer commands) {
    call.CmdFillBuffer(commands, buffer.handle(), 0, ~uint64_t{0}, 0x3C003C00);
    Barrier(call, commands, vk::kStageTransfer, kAccessTransfer);
  }));
  return device.Run();
}

Result<double> DeviceRate(VulkanDevice& device, uint64_t bytes, const GpuProbeOptions& options) {
  ASSIGN_OR_RETURN(const VulkanBuffer from,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kDevice));
  ASSIGN_OR_RETURN(const VulkanBuffer to,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kDevice));
  // Memory that was never written may be compressed away.
  RETURN_IF_ERROR(FillBuffer(device, from));
  ASSIGN_OR_RETURN(const double copied, CopyRate(device, from, to, options));
  return 2 * copied;  // each byte is read once and written once
}

Result<double> LinkRate(VulkanDevice& device, uint64_t bytes, const GpuProbeOptions& options) {
  ASSIGN_OR_RETURN(const VulkanBuffer from,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kUpload));
  ASSIGN_OR_RETURN(const VulkanBuffer to,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kDevice));
  std::memset(from.host(), 0x3C, bytes);
  return CopyRate(device, from, to, options);
}

// One layer's exchange without its work: the hidden state out, a partial sum of its size back.
Result<double> SyncSeconds(VulkanDevice& device, const GpuProbeOptions& options) {
  constexpr uint64_t bytes = kHiddenStateBytes;
  ASSIGN_OR_RETURN(const VulkanBuffer out,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kUpload));
  ASSIGN_OR_RETURN(const VulkanBuffer there,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kDevice));
  ASSIGN_OR_RETURN(const VulkanBuffer back,
                   VulkanBuffer::Allocate(device, bytes, MemoryKind::kReadback));
  RETURN_IF_ERROR(device.Record([&](const vk::DeviceFunctions& call, vk::CommandBuffer commands) {
    vk::BufferCopy all;
    all.size = bytes;
    call.CmdCopyBuffer(commands, out.handle(), there.handle(), 1, &all);
    Barrier(call, commands, vk::kStageTransfer, kAccessTransfer);
    call.CmdCopyBuffer(commands, there.handle(), back.handle(), 1, &all);
    Barrier(call, commands, vk::kStageHost, vk::kAccessHostRead);
  }));
  std::vector<std::byte> hidden(bytes);
  std::vector<std::byte> sum(bytes);
  std::vector<double> seconds;
  const auto begin = Clock::now();
  for (int round = 0; round < kSyncWarmUp + kSyncRounds; ++round) {
    if (Cancelled(options)) return AbortedStatus();
    if (seconds.size() > 2 && SecondsSince(begin) > kSyncSeconds) break;
    std::fill(hidden.begin(), hidden.end(), static_cast<std::byte>(round));
    const auto start = Clock::now();
    std::memcpy(out.host(), hidden.data(), bytes);
    RETURN_IF_ERROR(device.Run());
    std::memcpy(sum.data(), back.host(), bytes);
    const double took = SecondsSince(start);
    if (sum != hidden) return Status(StatusCode::kIo, "the GPU gave other bytes back than it got");
    if (round >= kSyncWarmUp) seconds.push_back(took);
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

// A size for two buffers that leaves others room: a sixteenth of what there is, 1 MiB at least.
uint64_t BufferBytes(const GpuInfo& gpu, uint64_t wanted) {
  const uint64_t part = gpu.available_bytes.value_or(gpu.capacity_bytes) / 16;
  return std::max(std::min(part, wanted) / kMiB, uint64_t{1}) * kMiB;
}

}  // namespace

Result<GpuRates> MeasureGpu(const GpuProbeOptions& options) {
  if (Cancelled(options)) return AbortedStatus();
  ASSIGN_OR_RETURN(const VulkanInstance instance, VulkanInstance::Create());
  ASSIGN_OR_RETURN(const std::vector<GpuInfo> gpus, instance.ListGpus());
  GpuRates rates;
  ASSIGN_OR_RETURN(rates.gpu, ChooseGpu(gpus, options.cpu_devices));
  ASSIGN_OR_RETURN(VulkanDevice device, VulkanDevice::Open(instance, rates.gpu));
  rates.gpu.handle = nullptr;  // it ends with the instance
  const uint64_t bytes = BufferBytes(rates.gpu, options.buffer_bytes);
  Report(options, 0.2);
  ASSIGN_OR_RETURN(rates.sequential, DeviceRate(device, bytes, options));
  Report(options, 0.5);
  ASSIGN_OR_RETURN(rates.link, LinkRate(device, bytes, options));
  Report(options, 0.8);
  ASSIGN_OR_RETURN(rates.sync_seconds, SyncSeconds(device, options));
  Report(options, 1);
  return rates;
}

}  // namespace thermocline
