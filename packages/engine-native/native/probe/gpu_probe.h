// What the memory of a GPU does, the link to it, and what it costs to hand work over and back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "probe/vulkan_instance.h"
#include "util/status.h"

namespace thermocline {

struct GpuRates {
  GpuInfo gpu;
  // Bytes read and bytes written per second, added up, of copies from device memory to device
  // memory: what moves through the memory's pins, as a kernel that streams weights has it.
  double sequential = 0;
  double link = 0;          // bytes copied per second from the host's memory to the device's
  double sync_seconds = 0;  // median of a hidden state going there and back, host copies included
};

struct GpuProbeOptions {
  bool cpu_devices = false;             // take processors that pose as GPUs too; for tests
  uint64_t buffer_bytes = 256ULL << 20;  // copied at a time; less on a device that has little left
  const std::atomic<bool>* cancel = nullptr;       // may be null
  std::function<void(double fraction)> progress;  // may be empty
};

// Opens the best device (see ChooseGpu) and measures it; about a second.
// Errors: kIo with the reason when there is none, or the Vulkan call that failed and its code;
// kOutOfMemory; kAborted.
Result<GpuRates> MeasureGpu(const GpuProbeOptions& options);

}  // namespace thermocline
