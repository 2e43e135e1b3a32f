// A save's system calls are logged and replayed up to every one of them into what a disk may hold
// after the power went: whatever was not synced is lost, empty, half there or garbage, and names
// come before or after their data. A checkpoint that verifies is found in every image.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <random>

#include "peft/io/checkpoint_folder.h"
#include "peft/util/durable_file.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

struct Call {
  enum Kind { kOpen, kWrite, kSync, kRename, kExchange, kUnlink, kMkdir };
  Kind kind;
  std::string path;   // of kOpen, kMkdir, kUnlink and kRename's source
  std::string other;  // kRename's target, kWrite's bytes
  int descriptor = -1;
};
std::vector<Call> calls;
SystemCalls actual;

/// Logs what succeeds.
SystemCalls logging_calls() {
  return {
      [](const char* path, int flags, mode_t mode) {
        const int descriptor = actual.open(path, flags, mode);
        calls.push_back({Call::kOpen, path, (flags & O_CREAT) != 0 ? "new" : "", descriptor});
        return descriptor;
      },
      [](int descriptor, const void* data, size_t size) {
        calls.push_back(
            {Call::kWrite, "", std::string(static_cast<const char*>(data), size), descriptor});
        return actual.write(descriptor, data, size);
      },
      [](int descriptor) {
        calls.push_back({Call::kSync, "", "", descriptor});
        return actual.fsync(descriptor);
      },
      actual.close,
      [](const char* from, const char* to) {
        calls.push_back({Call::kRename, from, to});
        return actual.rename(from, to);
      },
      [](const char* from, const char* to) {
        calls.push_back({Call::kRename, from, to});
        return actual.rename_to_absent(from, to);
      },
      [](const char* one, const char* other) {
        calls.push_back({Call::kExchange, one, other});
        return actual.exchange(one, other);
      },
      [](const char* path) {
        calls.push_back({Call::kUnlink, path, ""});
        return actual.unlink(path);
      },
      [](const char* path, mode_t mode) {
        calls.push_back({Call::kMkdir, path, ""});
        return actual.mkdir(path, mode);
      },
      [](const char* path) {
        calls.push_back({Call::kUnlink, path, ""});
        return actual.rmdir(path);
      },
      actual.free_bytes,
  };
}

/// A file or folder of the simulated disk: as programs see it, and as it is for certain.
struct Node {
  bool folder = false;
  std::string data, synced_data;
  std::map<std::string, std::shared_ptr<Node>> entries, synced_entries;
};
using NodePtr = std::shared_ptr<Node>;

NodePtr load(const fs::path& path) {
  const auto node = std::make_shared<Node>();
  node->folder = fs::is_directory(path);
  if (!node->folder) {
    std::ifstream stream(path, std::ios::binary);
    node->data.assign(std::istreambuf_iterator<char>(stream), {});
    node->synced_data = node->data;
    return node;
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    node->entries[entry.path().filename()] = load(entry.path());
  }
  node->synced_entries = node->entries;
  return node;
}

class Disk {
 public:
  explicit Disk(fs::path root) : root_path_(std::move(root)), root_(load(root_path_)) {}

  void replay(const Call& call) {
    switch (call.kind) {
      case Call::kOpen:
        open_[call.descriptor] = call.other == "new"
                                     ? folder_of(call.path)->entries[name_of(call.path)] =
                                           std::make_shared<Node>()
                                     : find(call.path);
        break;
      case Call::kWrite:
        open_.at(call.descriptor)->data += call.other;
        break;
      case Call::kSync: {
        Node& node = *open_.at(call.descriptor);
        node.synced_data = node.data;
        node.synced_entries = node.entries;
        break;
      }
      case Call::kRename: {
        const NodePtr moved = find(call.path);
        folder_of(call.path)->entries.erase(name_of(call.path));
        folder_of(call.other)->entries[name_of(call.other)] = moved;
        break;
      }
      case Call::kExchange:
        std::swap(folder_of(call.path)->entries.at(name_of(call.path)),
                  folder_of(call.other)->entries.at(name_of(call.other)));
        break;
      case Call::kUnlink:
        folder_of(call.path)->entries.erase(name_of(call.path));
        break;
      case Call::kMkdir:
        folder_of(call.path)->entries[name_of(call.path)] = std::make_shared<Node>();
        find(call.path)->folder = true;
        break;
    }
  }

  /// What the disk may hold after a crash. 0-2: every name is there, and data that was not synced
  /// is empty, half or garbage; 3: names that were not synced are lost too; 4: by chance.
  void crash(int variant, uint32_t seed, const fs::path& into) const {
    std::mt19937 random(seed);
    write(*root_, variant, random, into);
  }

 private:
  static std::string name_of(const std::string& path) { return fs::path(path).filename(); }
  NodePtr folder_of(const std::string& path) const { return find(fs::path(path).parent_path()); }
  NodePtr find(const fs::path& path) const {
    NodePtr node = root_;
    for (const fs::path& part : path.lexically_relative(root_path_)) {
      node = part == "." ? node : node->entries.at(part);
    }
    return node;
  }

  static void write(const Node& node, int variant, std::mt19937& random, const fs::path& into) {
    if (!node.folder) {
      std::string data = node.data;
      if (node.data != node.synced_data) {
        const int how = variant < 3 ? variant : variant == 3 ? 0 : static_cast<int>(random() % 4);
        data = how == 0   ? node.synced_data
               : how == 1 ? data.substr(0, data.size() / 2)
               : how == 2 ? std::string(data.size(), '\x5a')
                          : data;
      }
      std::ofstream(into, std::ios::binary) << data;
      return;
    }
    fs::create_directory(into);
    const bool synced = variant == 3 || (variant == 4 && random() % 2 == 0);
    for (const auto& [name, child] : synced ? node.synced_entries : node.entries) {
      write(*child, variant, random, into / name);
    }
  }

  fs::path root_path_;
  NodePtr root_;
  std::map<int, NodePtr> open_;
};

void write_in_two(const fs::path& file, std::string_view text) {
  write_file(file, [text](const ByteSink& sink) {
    sink(std::as_bytes(std::span(text.substr(0, 3))));
    sink(std::as_bytes(std::span(text.substr(3))));
  });
}

void write_checkpoint_of(const fs::path& run, int64_t step) {
  write_folder(checkpoint_path(run, step), /*overwrite=*/true, [step](const fs::path& folder) {
    write_in_two(folder / "trainable.safetensors", fmt::format("tensors of step {}", step));
    write_in_two(folder / "optimizer.safetensors", fmt::format("moments of step {}", step));
    write_file(folder / "trainer_state.json", fmt::format("{{\"step\": {}}}", step));
    make_folders(folder / "adapter");
    write_in_two(folder / "adapter" / "adapter_model.safetensors", "weights");
    write_file(folder / "adapter" / "README.md", "an adapter");
    write_file(folder / "adapter" / "adapter_config.json", "{}");
    write_manifest(folder, {.step = step, .tool = "test"});
  });
}

/// The newest step whose checkpoint verifies, or -1.
int64_t newest_verified(const fs::path& run) {
  for (const CheckpointFolder& found : list_checkpoints(run)) {
    try {
      return verify_checkpoint(found.path).step;
    } catch (const IntegrityError&) {
    }
  }
  return -1;
}

class PowerLoss : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path memory = "/dev/shm";  // thousands of small files: not on a disk, where it can be
    std::string name =
        ((fs::exists(memory) ? memory : fs::temp_directory_path()) / "peft-power-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    fs::create_directory(run());
    actual = system_calls();
    calls.clear();
  }
  void TearDown() override {
    system_calls() = actual;
    fs::remove_all(folder_);
  }
  fs::path run() const { return folder_ / "run"; }

  /// Logs `work`, then crashes before each of its calls in every way. Returns the images in which
  /// the newest checkpoint that verifies is at least `oldest`.
  void crash_everywhere(int64_t oldest, const std::function<void()>& work) {
    Disk disk(run());
    system_calls() = logging_calls();
    work();
    system_calls() = actual;
    for (size_t done = 0; done <= calls.size(); ++done) {
      for (int variant = 0; variant < 5; ++variant) {
        const fs::path image = folder_ / "image";
        disk.crash(variant, static_cast<uint32_t>(done), image);
        const int64_t found = newest_verified(image);
        EXPECT_GE(found, oldest) << "after call " << done << ", variant " << variant;
        (found >= oldest ? passed_ : failed_) += 1;
        fs::remove_all(image);
      }
      if (done < calls.size()) {
        disk.replay(calls[done]);
      }
    }
    std::printf("power loss: %d passed, %d failed\n", passed_, failed_);
    EXPECT_GE(passed_, 275);
  }

  fs::path folder_;
  int passed_ = 0;
  int failed_ = 0;
};

TEST_F(PowerLoss, DuringASave) {
  write_checkpoint_of(run(), 10);
  crash_everywhere(10, [&] { write_checkpoint_of(run(), 20); });
}

TEST_F(PowerLoss, DuringASaveAndThePruningBehindIt) {
  write_checkpoint_of(run(), 10);
  write_checkpoint_of(run(), 20);
  crash_everywhere(20, [&] {
    write_checkpoint_of(run(), 30);
    remove_folder(checkpoint_path(run(), 10));
  });
}

TEST_F(PowerLoss, WhileACheckpointIsReplaced) {
  write_checkpoint_of(run(), 10);
  write_checkpoint_of(run(), 20);
  std::ofstream(checkpoint_path(run(), 20) / "trainer_state.json") << "damaged";
  crash_everywhere(10, [&] { write_checkpoint_of(run(), 20); });
}

TEST_F(PowerLoss, WhileTemporariesAreRemovedBeforeASave) {
  write_checkpoint_of(run(), 10);
  fs::create_directories(run() / "checkpoint-20.tmp-2147483646-0000abcd" / "adapter");
  std::ofstream(run() / "checkpoint-20.tmp-2147483646-0000abcd" / "x") << "half";
  crash_everywhere(10, [&] {
    remove_dead_temporaries(run());
    write_checkpoint_of(run(), 20);
  });
}

/// The test itself can fail: without the fsync of the files some image holds no checkpoint.
TEST_F(PowerLoss, IsSeenWhenFilesAreNotSynced) {
  write_checkpoint_of(run(), 10);
  Disk disk(run());
  system_calls() = logging_calls();
  write_checkpoint_of(run(), 20);
  remove_folder(checkpoint_path(run(), 10));
  system_calls() = actual;
  for (const Call& call : calls) {
    if (call.kind != Call::kSync) {
      disk.replay(call);
    }
  }
  disk.crash(0, 0, folder_ / "image");
  EXPECT_EQ(newest_verified(folder_ / "image"), -1);
}

}  // namespace
}  // namespace peft
