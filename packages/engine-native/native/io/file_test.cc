#include "io/file.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>

#include "io/cursor.h"
#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::TempFolder;

TEST(File, ReadsAnywhere) {
  const TempFolder folder;
  const auto file = File::Open(folder.Write("a", "0123456789"));
  ASSERT_OK(file);
  EXPECT_EQ(file->size(), 10U);
  std::array<char, 4> text = {};
  EXPECT_OK(file->Read(3, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(std::string(text.data(), 4), "3456");
  EXPECT_STATUS(file->Read(7, std::as_writable_bytes(std::span(text))), StatusCode::kIo);
  EXPECT_STATUS(file->Read(100, std::as_writable_bytes(std::span(text))), StatusCode::kIo);
  EXPECT_OK(file->Read(100, {}));
}

TEST(File, WorksPastFourGibibytes) {
  const TempFolder folder;
  const std::string path = folder.Write("sparse", "");
  std::error_code error;
  std::filesystem::resize_file(path, (5ULL << 30) + 3, error);
  if (error) SKIP("the file system has no sparse files of 5 GiB");
  const auto file = File::Open(path);
  ASSERT_OK(file);
  EXPECT_EQ(file->size(), (5ULL << 30) + 3);
  std::array<std::byte, 3> bytes = {std::byte{1}, std::byte{1}, std::byte{1}};
  EXPECT_OK(file->Read(5ULL << 30, bytes));
  EXPECT_TRUE(bytes[2] == std::byte{0});
  EXPECT_STATUS(file->Read((5ULL << 30) + 1, bytes), StatusCode::kIo);
}

TEST(File, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_STATUS(File::Open(folder.path() + "/absent"), StatusCode::kFileNotFound);
  EXPECT_STATUS(File::Open(folder.path()), StatusCode::kIo);
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_STATUS(File::Open(pipe), StatusCode::kIo);  // and does not wait for a writer
  const std::string loop = folder.path() + "/loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_STATUS(File::Open(loop), StatusCode::kFileNotFound);
}

TEST(File, WholeFilesAreLimited) {
  const TempFolder folder;
  const std::string path = folder.Write("a", "hello");
  const auto text = ReadWholeFile(path, 5, StatusCode::kModelCorrupt);
  ASSERT_OK(text);
  EXPECT_EQ(*text, "hello");
  EXPECT_STATUS(ReadWholeFile(path, 4, StatusCode::kModelCorrupt), StatusCode::kModelCorrupt);
}

TEST(Cursor, StopsAtTheEndOfItsRange) {
  const TempFolder folder;
  std::string bytes(200'000, 'x');
  testing::AppendText(bytes, "tail");
  bytes += "behind";
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  Cursor cursor(*file, 0, file->size() - 6);
  EXPECT_TRUE(cursor.Skip(200'000));
  std::string text;
  EXPECT_TRUE(cursor.TakeString(text, 100));
  EXPECT_EQ(text, "tail");
  EXPECT_EQ(cursor.remaining(), 0U);
  EXPECT_OK(cursor.status());
  uint8_t byte = 0;
  EXPECT_FALSE(cursor.Take(byte));
  EXPECT_STATUS(cursor.status(), StatusCode::kModelCorrupt);
  EXPECT_FALSE(cursor.Skip(0));  // once ended, always ended
}

TEST(Cursor, CrossesItsBuffer) {
  const TempFolder folder;
  std::string bytes;
  for (uint32_t i = 0; i < 50'000; ++i) testing::AppendRaw(bytes, i);
  const auto file = File::Open(folder.Write("a", bytes.insert(0, "x")));
  ASSERT_OK(file);
  Cursor cursor(*file, 1, file->size());
  for (uint32_t i = 0; i < 50'000; ++i) {
    uint32_t value = 0;
    ASSERT_TRUE(cursor.Take(value));
    ASSERT_EQ(value, i);
  }
}

TEST(Cursor, HugeLengthsAreRefusedBeforeAllocation) {
  const TempFolder folder;
  std::string bytes;
  testing::AppendRaw<uint64_t>(bytes, UINT64_MAX);
  bytes += "abc";
  const auto file = File::Open(folder.Write("a", bytes));
  ASSERT_OK(file);
  Cursor cursor(*file, 0, file->size());
  std::string text;
  EXPECT_FALSE(cursor.TakeString(text, UINT64_MAX));
  EXPECT_STATUS(cursor.status(), StatusCode::kModelCorrupt);
}

}  // namespace
}  // namespace thermocline
