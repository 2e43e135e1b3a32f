#include "peft/plan/machine_memory.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace peft {
namespace {

/// A root with the files that the kernel would show.
class MachineMemory : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    put_file(root_ / name, text);
  }
  int64_t available() const { return available_memory(root_.path()); }

  TemporaryDirectory root_;
};

TEST_F(MachineMemory, IsWhatTheSystemCallsAvailable) {
  put("proc/meminfo", "MemTotal: 900 kB\nMemFree: 1 kB\nMemAvailable:   500 kB\n");
  EXPECT_EQ(available(), 500 * 1024);
}

TEST_F(MachineMemory, IsWhatAControlGroupLeaves) {
  put("proc/meminfo", "MemAvailable: 500 kB\n");
  put("proc/self/cgroup", "0::/user/run\n");
  put("sys/fs/cgroup/user/run/memory.max", "max\n");
  put("sys/fs/cgroup/user/run/memory.current", "1000\n");
  put("sys/fs/cgroup/user/memory.max", "300000\n");
  put("sys/fs/cgroup/user/memory.current", "100000\n");
  EXPECT_EQ(available(), 200000);
}

TEST_F(MachineMemory, KnowsTheOlderControlGroups) {
  put("proc/meminfo", "MemAvailable: 500 kB\n");
  put("proc/self/cgroup", "5:cpu:/a\n4:memory:/a\n");
  put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "250000\n");
  put("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "50000\n");
  EXPECT_EQ(available(), 200000);
}

TEST_F(MachineMemory, IsUnknownWhereNothingSaysIt) {
  EXPECT_EQ(available(), 0);
}

TEST_F(MachineMemory, FindsTheDiskOfAFolderThatIsYetToCome) {
  EXPECT_GT(available_disk(root_ / "not" / "yet"), 0);
}

}  // namespace
}  // namespace peft
