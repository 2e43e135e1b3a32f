// The program as the contained process that reads one pickle.
#include "peft/io/pickle_child.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "cli/program.h"
#include "io/temporary_directory.h"
#include "io/torch_builder.h"
#include "peft/io/torch_table.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

PickleChild program_as_child() {
  return {.command = {std::string(PEFT_BINARY_DIR) + "/peft", kPickleChildWord}};
}

fs::path torch_fixture(const std::string& name) {
  return fs::path(PEFT_SOURCE_DIR) / "tests/fixtures/io" / name;
}

/// The table as text, or the fault.
template <class Reader>
std::string answer(Reader read, const fs::path& file) {
  std::string text;
  const std::string fault = error_text([&] { text = torch_table_text(read(InputFile(file))); });
  return text + fault;
}

std::string answer_of_child(const fs::path& file) {
  return answer([](const InputFile& open) { return read_torch_table_in(program_as_child(), open); },
                file);
}

TEST(PickleChild, ReadsTheTableThatItsParentWould) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP()
      << "the sanitizer looks at virtual calls through a pipe, which the child may not open";
#endif
  for (const char* name : {"torch_zip.bin", "torch_legacy.bin"}) {
    const std::string text = answer_of_child(torch_fixture(name));
    EXPECT_TRUE(text.starts_with("[")) << text;
    EXPECT_EQ(text, answer(read_torch_table, torch_fixture(name)));
  }
}

/// Cut, and with bits flipped in places that a seed chooses.
TEST(PickleChild, FindsFaultsInTheWordsOfItsParent) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP()
      << "the sanitizer looks at virtual calls through a pipe, which the child may not open";
#endif
  const TemporaryDirectory directory;
  std::mt19937 random(11);
  int refused = 0;
  for (const char* name : {"torch_zip.bin", "torch_legacy.bin"}) {
    const std::string good = bytes_of_file(torch_fixture(name));
    for (int i = 0; i < 100; ++i) {
      std::string bad = i % 4 == 0 ? good.substr(0, random() % good.size()) : good;
      bad[random() % bad.size()] ^= static_cast<char>(1u << random() % 8);
      put_file(directory / "bad.bin", bad);
      const std::string expected = answer(read_torch_table, directory / "bad.bin");
      EXPECT_EQ(answer_of_child(directory / "bad.bin"), expected);
      refused += expected.starts_with("[") ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 60);
}

/// A model folder whose pickle asks for the same storage, with a key of 1 KB, more than a million
/// times: 4 MB that would become more than 1 GiB.
class GreedyPickle : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "with the sanitizer the child's memory is not limited";
#endif
    PickleBuilder pickle;
    pickle.raw("}").text("w").raw("(").text("storage").global("torch", "FloatStorage");
    pickle.text(std::string(1024, 'k')).text("cpu").integer(1).raw(std::string_view("tq\0", 3));
    std::string asked(3 * 700'000, 'h');
    for (size_t i = 0; i < asked.size(); i += 3) {
      asked[i + 1] = '\0';
      asked[i + 2] = 'Q';
    }
    pickle.raw("(" + asked + "t(" + asked + "t");
    fs::copy(fs::path(PEFT_SOURCE_DIR) / "tests/fixtures/models/llama/config.json",
             directory_.path());
    put_file(directory_ / "pytorch_model.bin",
             ZipBuilder().add("m/data.pkl", pickle.done()).file());
    put_file(directory_ / "rows.jsonl", "{\"input_ids\": [1, 5]}\n");
  }

  static constexpr const char* kFault =
      "/pytorch_model.bin: reading its pickle takes more than 1.07 GB of memory\n";
  TemporaryDirectory directory_;
};

TEST_F(GreedyPickle, EndsItsReaderAndNotTheProgram) {
  const Outcome outcome = peft("methods --allow-pickle --model " + directory_.path().string());
  EXPECT_EQ(outcome.code, 3);
  EXPECT_TRUE(outcome.err.ends_with(kFault)) << outcome.err;
}

TEST_F(GreedyPickle, EndsItsReaderAndNotTheEngine) {
  const std::string folder = directory_.path().string();
  const Outcome outcome = peft("logits --device cpu --allow-pickle --model " + folder +
                               " --tokens " + folder + "/rows.jsonl --out " + folder + "/out");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_TRUE(outcome.err.ends_with(kFault)) << outcome.err;
}

}  // namespace
}  // namespace peft
