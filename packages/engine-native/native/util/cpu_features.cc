#include "util/cpu_features.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace thermocline {
namespace {

#if defined(__x86_64__)
struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers Cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// Extended control register 0: which register states the system saves.
// REQUIRES: CPUID says OSXSAVE.
uint64_t EnabledStates() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

constexpr bool Bit(uint32_t value, int bit) { return ((value >> bit) & 1U) != 0; }
#endif

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

CpuFeatures DetectCpuFeatures() {
  CpuFeatures features;
#if defined(__x86_64__)
  const Registers one = Cpuid(1, 0);
  if (!Bit(one.ecx, 27)) return features;  // no OSXSAVE: the system saves no wide state
  const Registers seven = Cpuid(7, 0);
  const uint64_t states = EnabledStates();
  constexpr uint64_t kYmm = 0x6;   // XMM and upper halves of YMM
  constexpr uint64_t kZmm = 0xE6;  // and masks, upper halves of ZMM, ZMM16-31
  const bool ymm = (states & kYmm) == kYmm;
  const bool zmm = (states & kZmm) == kZmm;
  features.avx2 = ymm && Bit(one.ecx, 28) && Bit(one.ecx, 12) && Bit(one.ecx, 29) &&
                  Bit(seven.ebx, 5);
  features.avx512 = features.avx2 && zmm && Bit(seven.ebx, 16) && Bit(seven.ebx, 17) &&
                    Bit(seven.ebx, 30) && Bit(seven.ebx, 31);
  features.avx512_vnni = features.avx512 && Bit(seven.ecx, 11);
  features.avx512_bf16 = features.avx512_vnni && seven.eax >= 1 && Bit(Cpuid(7, 1).eax, 5);
#elif defined(__aarch64__)
  features.neon = true;  // part of the base architecture
#endif
  return features;
}

std::string CpuModelName() {
#if defined(__x86_64__)
  if (Cpuid(0x80000000U, 0).eax >= 0x80000004U) {
    char text[49] = {};
    for (uint32_t i = 0; i < 3; ++i) {
      const Registers r = Cpuid(0x80000002U + i, 0);
      std::memcpy(text + 16 * i, &r, 16);
    }
    const std::string name = Trimmed(text);
    if (!name.empty()) return name;
  }
#endif
  // ARM has no such register; some kernels name the board or the implementer.
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = Trimmed(line.substr(0, colon));
    if (key == "model name" || key == "Model") return Trimmed(line.substr(colon + 1));
  }
  return "unknown";
}

CpuTopology DetectCpuTopology() {
  CpuTopology topology;
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
    topology.logical = CPU_COUNT(&allowed);
    std::set<std::string> cores;  // hardware threads of one core list the same siblings
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                         "/topology/thread_siblings_list");
      std::string siblings;
      if (!std::getline(file, siblings)) siblings = std::to_string(cpu);
      cores.insert(siblings);
    }
    topology.physical = std::max(1, static_cast<int>(cores.size()));
    return topology;
  }
#endif
  topology.logical = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  topology.physical = topology.logical;
  return topology;
}

}  // namespace thermocline
