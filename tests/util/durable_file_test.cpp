#include "peft/util/durable_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "peft/util/error.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test, and the real system calls back at the end.
class DurableFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "peft-durable-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override {
    system_calls() = calls_;
    fs::remove_all(folder_);
  }

  std::string message_of(const std::function<void()>& action) const {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::string text_of(const fs::path& file) const {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
  const SystemCalls calls_ = system_calls();
};

int refuse_with(int reason) {
  errno = reason;
  return -1;
}

TEST_F(DurableFile, ReplacesAFileWhole) {
  write_file(folder_ / "a.json", "old");
  write_file(folder_ / "a.json", "new text");
  EXPECT_EQ(text_of(folder_ / "a.json"), "new text");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, WritesOnAfterShortWrites) {
  system_calls().write = [](int descriptor, const void* data, size_t size) {
    return ::write(descriptor, data, std::min<size_t>(size, 3));
  };
  write_file(folder_ / "a", "0123456789");
  EXPECT_EQ(text_of(folder_ / "a"), "0123456789");
}

TEST_F(DurableFile, KeepsTheOldFileWhenTheDiskIsFull) {
  write_file(folder_ / "a", "old");
  system_calls().write = [](int, const void*, size_t) -> ssize_t { return refuse_with(ENOSPC); };
  EXPECT_EQ(message_of([&] { write_file(folder_ / "a", "new"); }),
            (folder_ / "a").string() + ": cannot be written: No space left on device");
  EXPECT_EQ(text_of(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, KeepsTheOldFileWhenFsyncFails) {
  write_file(folder_ / "a", "old");
  system_calls().fsync = [](int) { return refuse_with(EIO); };
  EXPECT_EQ(message_of([&] { write_file(folder_ / "a", "new"); }),
            (folder_ / "a").string() + ": cannot be written: Input/output error");
  EXPECT_EQ(text_of(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, KeepsTheOldFileWhenTheProducerFails) {
  write_file(folder_ / "a", "old");
  const auto half_then_fail = [](const ByteSink& sink) {
    sink(std::as_bytes(std::span("half", 4)));
    fail<DataError>("no more");
  };
  EXPECT_THROW(write_file(folder_ / "a", half_then_fail), DataError);
  EXPECT_EQ(text_of(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, NamesAMissingFolder) {
  EXPECT_EQ(message_of([&] { write_file(folder_ / "b" / "a", "x"); }),
            (folder_ / "b" / "a").string() + ": cannot be written: No such file or directory");
}

TEST_F(DurableFile, MakesAFolderAppearWhole) {
  write_folder(folder_ / "out/", /*overwrite=*/false, [&](const fs::path& temporary) {
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    write_file(temporary / "a", "x");
  });
  EXPECT_EQ(text_of(folder_ / "out" / "a"), "x");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, RemovesWhatADeadProcessBeganForTheSameName) {
  const auto begun = [&](const std::string& name) {
    fs::create_directories(folder_ / name / "inside");
    return folder_ / name;
  };
  const fs::path dead = begun("out.tmp-2147483646-0000abcd");
  const fs::path alive = begun("out.tmp-1-0000abcd");
  const fs::path other = begun("other.tmp-2147483646-0000abcd");
  write_folder(folder_ / "out", /*overwrite=*/false, [](const fs::path&) {});
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(DurableFile, RefusesAFolderThatExists) {
  fs::create_directory(folder_ / "out");
  EXPECT_EQ(
      message_of([&] { write_folder(folder_ / "out", false, [](const fs::path&) {}); }),
      (folder_ / "out").string() + ": exists already; choose another folder or give --overwrite");
}

TEST_F(DurableFile, NeverReplacesAFileByAFolder) {
  write_file(folder_ / "out", "x");
  EXPECT_EQ(message_of([&] { write_folder(folder_ / "out", true, [](const fs::path&) {}); }),
            (folder_ / "out").string() + ": exists and is not a folder");
}

TEST_F(DurableFile, ReplacesAFolderOnDemand) {
  write_folder(folder_ / "out", false, [](const fs::path& at) { write_file(at / "old", "x"); });
  write_folder(folder_ / "out", true, [](const fs::path& at) { write_file(at / "new", "x"); });
  EXPECT_TRUE(fs::exists(folder_ / "out" / "new"));
  EXPECT_FALSE(fs::exists(folder_ / "out" / "old"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, PutsTheOldFolderBackWhenTheNewOneCannotTakeItsPlace) {
  write_folder(folder_ / "out", false, [](const fs::path& at) { write_file(at / "old", "x"); });
  system_calls().exchange = [](const char*, const char*) { return refuse_with(EINVAL); };
  system_calls().rename_to_absent = [](const char*, const char*) { return refuse_with(EACCES); };
  EXPECT_EQ(message_of([&] { write_folder(folder_ / "out", true, [](const fs::path&) {}); }),
            (folder_ / "out").string() + ": cannot be written: Permission denied");
  EXPECT_TRUE(fs::exists(folder_ / "out" / "old"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(DurableFile, KeepsTheOldFolderWhenTheProducerFails) {
  write_folder(folder_ / "out", false, [](const fs::path& at) { write_file(at / "old", "x"); });
  EXPECT_THROW(
      write_folder(folder_ / "out", true, [](const fs::path&) { fail<DataError>("no more"); }),
      DataError);
  EXPECT_TRUE(fs::exists(folder_ / "out" / "old"));
  EXPECT_EQ(entries(), 1u);
}

}  // namespace
}  // namespace peft
