#include "io/tensor_types.h"

#include <array>
#include <cstddef>

namespace thermocline {
namespace {

struct GgmlType {
  uint32_t id;
  FileTensorType type;
};

constexpr std::nullopt_t kUnread = std::nullopt;

constexpr auto kGgmlTypes = std::to_array<GgmlType>({
    {0, {"F32", 1, 4, DType::kF32}},
    {1, {"F16", 1, 2, DType::kF16}},
    {2, {"Q4_0", 32, 18, DType::kQ4_0}},
    {3, {"Q4_1", 32, 20, kUnread}},
    {6, {"Q5_0", 32, 22, kUnread}},
    {7, {"Q5_1", 32, 24, kUnread}},
    {8, {"Q8_0", 32, 34, DType::kQ8_0}},
    {9, {"Q8_1", 32, 36, kUnread}},
    {10, {"Q2_K", 256, 84, kUnread}},
    {11, {"Q3_K", 256, 110, kUnread}},
    {12, {"Q4_K", 256, 144, DType::kQ4_K}},
    {13, {"Q5_K", 256, 176, DType::kQ5_K}},
    {14, {"Q6_K", 256, 210, DType::kQ6_K}},
    {15, {"Q8_K", 256, 292, kUnread}},
    {16, {"IQ2_XXS", 256, 66, kUnread}},
    {17, {"IQ2_XS", 256, 74, kUnread}},
    {18, {"IQ3_XXS", 256, 98, kUnread}},
    {19, {"IQ1_S", 256, 50, kUnread}},
    {20, {"IQ4_NL", 32, 18, kUnread}},
    {21, {"IQ3_S", 256, 110, kUnread}},
    {22, {"IQ2_S", 256, 82, kUnread}},
    {23, {"IQ4_XS", 256, 136, kUnread}},
    {24, {"I8", 1, 1, kUnread}},
    {25, {"I16", 1, 2, kUnread}},
    {26, {"I32", 1, 4, kUnread}},
    {27, {"I64", 1, 8, kUnread}},
    {28, {"F64", 1, 8, kUnread}},
    {29, {"IQ1_M", 256, 56, kUnread}},
    {30, {"BF16", 1, 2, DType::kBF16}},
    {31, {"Q4_0_4_4", 32, 18, kUnread}},
    {32, {"Q4_0_4_8", 32, 18, kUnread}},
    {33, {"Q4_0_8_8", 32, 18, kUnread}},
    {34, {"TQ1_0", 256, 54, kUnread}},
    {35, {"TQ2_0", 256, 66, kUnread}},
    {36, {"IQ4_NL_4_4", 32, 18, kUnread}},
    {37, {"IQ4_NL_4_8", 32, 18, kUnread}},
    {38, {"IQ4_NL_8_8", 32, 18, kUnread}},
    {39, {"MXFP4", 32, 17, kUnread}},
    {40, {"NVFP4", 64, 36, kUnread}},
});

constexpr auto kSafetensorsTypes = std::to_array<FileTensorType>({
    {"F32", 1, 4, DType::kF32},
    {"F16", 1, 2, DType::kF16},
    {"BF16", 1, 2, DType::kBF16},
    {"F64", 1, 8, kUnread},
    {"I64", 1, 8, kUnread},
    {"I32", 1, 4, kUnread},
    {"I16", 1, 2, kUnread},
    {"I8", 1, 1, kUnread},
    {"U64", 1, 8, kUnread},
    {"U32", 1, 4, kUnread},
    {"U16", 1, 2, kUnread},
    {"U8", 1, 1, kUnread},
    {"BOOL", 1, 1, kUnread},
    {"F8_E4M3", 1, 1, kUnread},
    {"F8_E5M2", 1, 1, kUnread},
    {"F8_E8M0", 1, 1, kUnread},
    {"C64", 1, 8, kUnread},
});

}  // namespace

const FileTensorType* FindGgmlType(uint32_t id) {
  for (const auto& entry : kGgmlTypes) {
    if (entry.id == id) return &entry.type;
  }
  return nullptr;
}

const FileTensorType* FindSafetensorsType(std::string_view name) {
  for (const auto& type : kSafetensorsTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

}  // namespace thermocline
