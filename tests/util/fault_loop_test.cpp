// Every system call of a save fails, comes short, is interrupted or is late once: the old state
// stays whole, or the new one is there. Loops end when a run passes without meeting its fault.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "peft/util/durable_file.h"
#include "peft/util/error.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

/// The fault at work; the table's functions can carry nothing themselves.
struct Fault {
  enum Kind { kNone, kFail, kShorten, kInterrupt, kDelay };
  Kind kind = kNone;
  int reason = 0;           // errno of kFail
  int64_t at = 0;           // the call that meets it, from 1
  bool persistent = false;  // and every one after it
  int64_t calls = 0;        // so far
  int64_t met = 0;
};
Fault fault;
SystemCalls real;

/// True if this call is to fail now.
bool strikes() {
  ++fault.calls;
  const bool now =
      fault.at > 0 && (fault.calls == fault.at || (fault.persistent && fault.calls > fault.at));
  fault.met += now ? 1 : 0;
  if (now && fault.kind == Fault::kDelay) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (now && (fault.kind == Fault::kFail || fault.kind == Fault::kInterrupt)) {
    errno = fault.kind == Fault::kFail ? fault.reason : EINTR;
    return true;
  }
  return false;
}

/// Calls that a signal can interrupt; the others only fail.
bool strikes_unless_interrupt() {
  if (fault.kind == Fault::kInterrupt) {
    return false;
  }
  return strikes();
}

ssize_t faulty_write(int descriptor, const void* data, size_t size) {
  if (strikes()) {
    return -1;
  }
  const bool shorten =
      fault.kind == Fault::kShorten && (fault.calls == fault.at || fault.persistent);
  return real.write(descriptor, data, shorten ? 1 : size);
}

SystemCalls faulty_calls() {
  return {
      [](const char* path, int flags, mode_t mode) {
        return strikes() ? -1 : real.open(path, flags, mode);
      },
      faulty_write,
      [](int descriptor) { return strikes() ? -1 : real.fsync(descriptor); },
      [](int descriptor) {
        const int status = real.close(descriptor);  // the descriptor is gone in any case
        return strikes() ? -1 : status;
      },
      [](const char* from, const char* to) {
        return strikes_unless_interrupt() ? -1 : real.rename(from, to);
      },
      [](const char* from, const char* to) {
        return strikes_unless_interrupt() ? -1 : real.rename_to_absent(from, to);
      },
      [](const char* one, const char* other) {
        return strikes_unless_interrupt() ? -1 : real.exchange(one, other);
      },
      real.unlink,  // cleaning up is judged by what is left, in the tests of temporaries
      [](const char* path, mode_t mode) {
        return strikes_unless_interrupt() ? -1 : real.mkdir(path, mode);
      },
      real.rmdir,
      real.free_bytes,
  };
}

class FaultLoop : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path memory = "/dev/shm";  // thousands of small files: not on a disk, where it can be
    std::string name =
        ((fs::exists(memory) ? memory : fs::temp_directory_path()) / "peft-faults-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    before_ = system_calls();
    real = before_;
    real.fsync = [](int) { return 0; };  // this disk is not what is tested, and slow
    system_calls() = real;
    fault = {};
    write_folder(target(), /*overwrite=*/false, fill("old"));
    system_calls() = faulty_calls();
  }
  void TearDown() override {
    system_calls() = before_;
    fs::remove_all(folder_);
  }

  fs::path target() const { return folder_ / "checkpoint-1"; }

  static std::function<void(const fs::path&)> fill(const std::string& text) {
    return [text](const fs::path& at) {
      write_file(at / "a", text + " a");
      make_folders(at / "adapter");
      write_file(at / "adapter" / "b", text + " b");
      write_file(at / "MANIFEST.json", text);
    };
  }

  std::string text_of(const fs::path& file) const {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  /// "old" or "new" when the folder is whole, and what is wrong else.
  std::string state() const {
    const std::string text = text_of(target() / "MANIFEST.json");
    const bool whole = text_of(target() / "a") == text + " a" &&
                       text_of(target() / "adapter" / "b") == text + " b";
    return whole ? text : "torn";
  }

  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  /// Saves with the fault at its n-th call; the message of the failure.
  std::string save(Fault with, int64_t n) {
    fault = with;
    fault.at = n;
    try {
      write_folder(target(), /*overwrite=*/true, fill("new"));
    } catch (const IoError& error) {
      return error.what();
    }
    return "";
  }

  void put_old_back() {
    system_calls() = real;
    write_folder(target(), /*overwrite=*/true, fill("old"));
    system_calls() = faulty_calls();
  }

  /// Fails call 1, 2, 3, ... until a save passes unharmed; returns how many points there were.
  int64_t loop(Fault with) {
    for (int64_t n = 1;; ++n) {
      const std::string message = save(with, n);
      if (fault.met == 0) {
        EXPECT_EQ(message, "");
        return n - 1;
      }
      const std::string found = state();
      EXPECT_TRUE(found == "new" || (found == "old" && !message.empty()))
          << "call " << n << ": " << found << ": " << message;
      if (!message.empty()) {
        EXPECT_NE(message.find(std::strerror(with.reason)), std::string::npos) << message;
      }
      EXPECT_LE(entries(), 2u) << "call " << n;
      system_calls() = real;
      remove_dead_temporaries(folder_);
      EXPECT_EQ(entries(), 1u) << "call " << n;
      put_old_back();
    }
  }

  fs::path folder_;
  SystemCalls before_;
};

TEST_F(FaultLoop, AFailureAtAnyCallLeavesTheOldOrTheNewState) {
  for (const int reason :
       {ENOSPC, EIO, EDQUOT, EROFS, EACCES, ENAMETOOLONG, EXDEV, EMFILE, EFBIG}) {
    EXPECT_GT(loop({.kind = Fault::kFail, .reason = reason}), 30) << std::strerror(reason);
  }
}

TEST_F(FaultLoop, AFailureFromAnyCallOnLeavesTheOldState) {
  for (const int reason : {ENOSPC, EIO, EROFS}) {
    EXPECT_GT(loop({.kind = Fault::kFail, .reason = reason, .persistent = true}), 30);
  }
}

TEST_F(FaultLoop, ShortWritesChangeNothing) {
  EXPECT_EQ(save({.kind = Fault::kShorten, .persistent = true}, 1), "");
  EXPECT_EQ(state(), "new");
}

TEST_F(FaultLoop, AnInterruptionAtAnyCallChangesNothing) {
  for (int64_t n = 1;; ++n) {
    EXPECT_EQ(save({.kind = Fault::kInterrupt}, n), "") << "call " << n;
    EXPECT_EQ(state(), "new") << "call " << n;
    if (fault.met == 0) {
      EXPECT_GT(n, 20);
      break;
    }
    put_old_back();
  }
}

TEST_F(FaultLoop, ALateCallChangesNothing) {
  EXPECT_EQ(save({.kind = Fault::kDelay, .persistent = true}, 1), "");
  EXPECT_EQ(state(), "new");
}

TEST_F(FaultLoop, AFailedFsyncIsNotTriedAgain) {
  static int64_t failures;
  failures = 0;
  system_calls().fsync = [](int) {
    ++failures;
    errno = EIO;
    return -1;
  };
  EXPECT_THROW(write_file(folder_ / "x", "text"), IoError);
  EXPECT_EQ(failures, 1);
}

TEST_F(FaultLoop, RefusesADiskThatIsTooSmallBeforeTheFirstByte) {
  system_calls().free_bytes = [](const char*) -> int64_t { return 1199; };
  try {
    check_room(folder_, 1000);
    FAIL();
  } catch (const IoError& error) {
    EXPECT_EQ(std::string(error.what()),
              folder_.string() +
                  ": 1200 bytes are needed, the disk has 1199 left; make room or set "
                  "training.save_total_limit lower");
  }
}

TEST_F(FaultLoop, TemporariesOfDeadProcessesGoAndOfLivingOnesStay) {
  const std::string dead = (folder_ / "checkpoint-7.tmp-2147483646-0000abcd").string();
  const std::string living = (folder_ / "checkpoint-8.tmp-1-0000abcd").string();
  fs::create_directories(dead + "/adapter");
  std::ofstream(dead + "/adapter/x") << "x";
  fs::create_directories(living);
  fs::create_directories(folder_ / "notes.tmp-1");
  remove_dead_temporaries(folder_);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(living));
  EXPECT_TRUE(fs::exists(folder_ / "notes.tmp-1"));
}

}  // namespace
}  // namespace peft
