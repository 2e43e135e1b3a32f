// Every reader meets a failure at each of its allocations: it ends with an error and leaks nothing.
// This executable's operator new fails on demand.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>

#include "data/fake_tokenizer.h"
#include "io/temporary_directory.h"
#include "peft/data/dataset.h"
#include "peft/io/gguf.h"
#include "peft/io/safetensors.h"
#include "peft/util/lost_memory.h"

namespace {

std::atomic<int64_t> news{0};
std::atomic<int64_t> live{0};
std::atomic<int64_t> failing{0};  // the call that fails; 0: none
std::atomic<bool> for_good{false};

}  // namespace

void* operator new(size_t size) {
  const int64_t call = ++news;
  const int64_t fault = failing;
  void* const block = fault != 0 && (for_good ? call >= fault : call == fault)
                          ? nullptr
                          : std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) {
    throw std::bad_alloc();
  }
  ++live;
  return block;
}

void* operator new(size_t size, const std::nothrow_t& /*nothing*/) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void operator delete(void* block) noexcept {
  live -= block != nullptr ? 1 : 0;
  std::free(block);
}

void operator delete(void* block, size_t /*size*/) noexcept {
  operator delete(block);
}

namespace peft {
namespace {

constexpr int64_t kMostFaults = 60;
constexpr int kLeaked = 90;

/// What a process of its own comes to when the n-th allocation of `read` fails: 0 for none, an exit
/// code of the program, kLeaked, or 128 and a signal's number.
int end_with_fault(const std::function<void()>& read, int64_t n, bool stays) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    end_in_one_line_when_memory_is_lost();
    const int64_t live_before = live;
    int code = 0;
    for_good = stays;
    failing = news + n;
    try {
      read();
    } catch (const std::bad_alloc&) {
      code = static_cast<int>(ExitCode::kMemory);
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    }
    failing = 0;
    ::_exit(live == live_before ? code : kLeaked);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Lets every allocation of `read` fail, a sample of them where there are many. The error is the
/// memory's, or the reader's own when memory failed inside another library.
void expect_no_harm(const std::function<void()>& read, ExitCode own) {
  read();  // what is made once is made now
  const int64_t before = news;
  read();
  const int64_t all = news - before;
  for (const bool stays : {false, true}) {
    for (int64_t n = 1; n <= all; n += 1 + all / kMostFaults) {
      const int code = end_with_fault(read, n, stays);
      EXPECT_TRUE(code == static_cast<int>(ExitCode::kMemory) || code == static_cast<int>(own))
          << "allocation " << n << " of " << all << ": " << code;
    }
  }
}

std::filesystem::path fixture_file(const char* name) {
  return std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures" / name;
}

TEST(Allocation, FailsInJson) {
  expect_no_harm([] { parse_json<DataError>(R"({"a": [1, 2.5, {"b": "text"}], "c": null})", "x"); },
                 ExitCode::kData);
}

TEST(Allocation, FailsInSafetensors) {
  const auto file = fixture_file("models/llama/model.safetensors");
  expect_no_harm([&] { const SafetensorsFile opened(file); }, ExitCode::kModel);
}

TEST(Allocation, FailsInGguf) {
  const auto file = fixture_file("interchange/tiny.gguf");
  expect_no_harm([&] { const GgufFile opened(file); }, ExitCode::kModel);
}

TEST(Allocation, FailsInTokenizers) {
  const auto folder = fixture_file("data/tokenizer");
  expect_no_harm([&] { load_tokenizer(folder)->encode("the 1234 in", true); }, ExitCode::kModel);
}

TEST(Allocation, FailsInChatTemplates) {
  const FakeTokenizer tokenizer;
  const Json messages = {{{"role", "user"}, {"content", "a"}}};
  expect_no_harm(
      [&] {
        const ChatTemplate chat("{% for m in messages %}<u>{{ m['content'] | trim }}{% endfor %}",
                                tokenizer.special());
        chat.render(messages, Json(), /*add_generation_prompt=*/true);
      },
      ExitCode::kModel);
}

TEST(Allocation, FailsInDataSets) {
  const TemporaryDirectory folder;
  put_file(folder / "d.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"a<e>\"}\n{\"text\": \"ab\"}\n");
  const FakeTokenizer tokenizer;
  expect_no_harm(
      [&] {
        load_dataset({{.path = folder / "d.jsonl"}}, {}, {tokenizer, nullptr, {2}});
      },
      ExitCode::kData);
}

}  // namespace
}  // namespace peft
