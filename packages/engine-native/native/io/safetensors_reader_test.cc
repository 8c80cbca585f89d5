#include "io/safetensors_reader.h"

#include <array>

#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::TempFolder;

std::string File8(const std::string& header, size_t data_bytes) {
  std::string out;
  testing::AppendRaw<uint64_t>(out, header.size());
  return out + header + std::string(data_bytes, '\7');
}

Status Open(const std::string& bytes, StatusCode corrupt = StatusCode::kArtifactCorrupt) {
  const TempFolder folder;
  return SafetensorsFile::Open(folder.Write("a.safetensors", bytes), corrupt).status();
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const TempFolder folder;
  const std::string header =
      R"({"__metadata__":{"b":"2","a":"\u00e9"},"y":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"z":{"dtype":"F64","shape":[],"data_offsets":[16,24]},)"
      R"("e":{"dtype":"I64","shape":[0,5],"data_offsets":[24,24]}}   )";
  const auto file = SafetensorsFile::Open(folder.Write("a", File8(header, 24)),
                                          StatusCode::kModelCorrupt);
  ASSERT_OK(file);
  EXPECT_EQ(file->tensors().size(), 4U);
  const SafetensorsTensor* y = file->Find("y");
  ASSERT_TRUE(y != nullptr);
  EXPECT_EQ(y->elements(), 6);
  EXPECT_EQ(y->bytes, 12U);
  EXPECT_EQ(y->offset, 8 + header.size() + 4);
  EXPECT_TRUE(file->Find("w") == nullptr);
  ASSERT_TRUE(file->FindMetadata("a") != nullptr);
  EXPECT_EQ(*file->FindMetadata("a"), "\xC3\xA9");
  std::array<std::byte, 12> data = {};
  EXPECT_OK(file->Read(*y, 0, data));
  EXPECT_TRUE(data[11] == std::byte{7});
  EXPECT_STATUS(file->Read(*y, 1, data), StatusCode::kInvalidArgument);
}

TEST(Safetensors, RefusesWhatContradictsItself) {
  const auto one = [](const std::string& fields) { return File8("{\"x\":{" + fields + "}}", 8); };
  EXPECT_OK(Open(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])")));
  for (const char* fields :
       {R"("dtype":"F32","shape":[2],"data_offsets":[0,4])",
        R"("dtype":"F32","shape":[2],"data_offsets":[8,0])",
        R"("dtype":"F32","shape":[2],"data_offsets":[0,16])",
        R"("dtype":"F32","shape":[1],"data_offsets":[0,4])",    // bytes left over
        R"("dtype":"F32","shape":[1],"data_offsets":[4,8])",    // a gap before
        R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])",
        R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])",
        R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])",
        R"("dtype":"F32","shape":2,"data_offsets":[0,8])",
        R"("dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8])",
        R"("dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8])",
        R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])",
        R"("dtype":"F99","shape":[2],"data_offsets":[0,8])", R"("dtype":"F32","shape":[2])"}) {
    EXPECT_STATUS(Open(one(fields)), StatusCode::kArtifactCorrupt);
  }
  const std::string x = R"("x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::string y = R"("y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_STATUS(Open(File8("{" + x + "," + y + "}", 4)), StatusCode::kArtifactCorrupt);  // overlap
  EXPECT_STATUS(Open(File8("{" + x + "," + x + "}", 4)), StatusCode::kArtifactCorrupt);  // twice
  EXPECT_STATUS(Open(File8("[]", 0)), StatusCode::kArtifactCorrupt);
  EXPECT_STATUS(Open(File8(R"({"__metadata__":{"a":1}})", 0)), StatusCode::kArtifactCorrupt);
  EXPECT_STATUS(Open(File8(R"({"__metadata__":{"a":"1","a":"2"}})", 0)),
                StatusCode::kArtifactCorrupt);
  EXPECT_STATUS(Open("1234567"), StatusCode::kArtifactCorrupt);
  EXPECT_STATUS(Open(std::string(8, '\xFF') + "{}"), StatusCode::kArtifactCorrupt);
  EXPECT_STATUS(Open(one(R"("dtype":"F99","shape":[2],"data_offsets":[0,8])"),
                     StatusCode::kModelCorrupt),
                StatusCode::kWeightTypeUnsupported);
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string sound = testing::ReadBytes(
      testing::RepoFile("packages/contracts/fixtures/placement-plan.safetensors"));
  EXPECT_OK(Open(sound));
  const TempFolder folder;
  for (size_t n = 0; n < sound.size(); ++n) {
    const auto file = SafetensorsFile::Open(folder.Write("a", sound.substr(0, n)),
                                            StatusCode::kArtifactCorrupt);
    EXPECT_STATUS(file, StatusCode::kArtifactCorrupt);
  }
}

}  // namespace
}  // namespace thermocline
