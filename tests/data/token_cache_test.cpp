#include "peft/data/token_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "data/error_text.h"
#include "data/fake_tokenizer.h"
#include "io/temporary_directory.h"
#include "peft/util/sha256.h"
#include "token_cache_format.h"

namespace peft {
namespace {

const char* const kRows =
    "{\"prompt\": \"a \", \"completion\": \"b\"}\n{\"prompt\": \"c \", \"completion\": \"de\"}\n"
    "{\"prompt\": \"a \", \"completion\": \"b\"}\n";

class TokenCache : public testing::Test {
 protected:
  void SetUp() override { put_file(folder_ / "d.jsonl", kRows); }

  DataOptions options() const {
    DataOptions result;
    result.cache = folder_ / "cache";
    return result;
  }
  TextPipeline pipeline() const { return {tokenizer_, nullptr, {2}, "hash"}; }
  Dataset load(const DataOptions& options) const {
    return load_dataset({{.path = folder_ / "d.jsonl", .weight = 2.0}}, options, pipeline());
  }
  std::vector<std::filesystem::path> cached() const {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::exists(folder_ / "cache")) {
      for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {
        files.push_back(entry.path());
      }
    }
    return files;
  }
  std::vector<std::string> shown(const Dataset& dataset) const {
    std::vector<std::string> rows;
    for (const Example& example : dataset.examples) {
      rows.push_back(fmt::format("{} {} {} {} {}", marked(example, tokenizer_), example.row,
                                 example.line, example.file, example.prompt_length));
    }
    return rows;
  }

  TemporaryDirectory folder_;
  FakeTokenizer tokenizer_;
};

TEST_F(TokenCache, GivesTheSameDataSetAsReading) {
  const Dataset read = load({});
  for (int i = 0; i < 2; ++i) {
    const Dataset stored = load(options());
    EXPECT_EQ(shown(stored), shown(read));
    EXPECT_EQ(stored.report.decision, read.report.decision);
    EXPECT_EQ(stored.report.notes, read.report.notes);
    EXPECT_EQ(stored.report.places, read.report.places);
    EXPECT_EQ(stored.report.scored_tokens, read.report.scored_tokens);
    EXPECT_EQ(stored.report.duplicates, 1);
    EXPECT_EQ(stored.report.sha256, read.report.sha256);
    EXPECT_EQ(stored.files, read.files);
    EXPECT_EQ(stored.weights, read.weights);
  }
  EXPECT_EQ(cached().size(), 1);
}

TEST_F(TokenCache, IsReadInsteadOfTheRows) {
  load(options());
  const FakeTokenizer other(/*adds_bos=*/false);  // would make other ids
  const Dataset stored =
      load_dataset({{.path = folder_ / "d.jsonl"}}, options(), {other, nullptr, {2}, "hash"});
  EXPECT_EQ(marked(stored.examples[0], tokenizer_), "[s]a ⟦b[/s]⟧");
}

TEST_F(TokenCache, KeepsLabelsAndScores) {
  put_file(folder_ / "d.jsonl",
           "{\"text\": \"a\", \"label\": \"y\"}\n{\"text\": \"b\", \"label\": \"x\"}\n");
  DataOptions classifies = options();
  classifies.task = Task::kClassification;
  for (int i = 0; i < 2; ++i) {
    const Dataset stored = load(classifies);
    EXPECT_EQ(stored.label_names, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(stored.examples[0].label, 1);
  }
}

TEST_F(TokenCache, KeepsWeights) {
  const auto row = [](const char* weight) {
    return fmt::format(
        "{{\"messages\": [{{\"role\": \"user\", \"content\": \"a\"}}, {{\"role\": "
        "\"assistant\", \"content\": \"b\", \"weight\": {}}}]}}\n",
        weight);
  };
  put_file(folder_ / "d.jsonl", row("1") + row("0.5") + row("1") + row("0.25"));
  const ChatTemplate chat("{% for m in messages %}{{ m['content'] }}<e>{% endfor %}",
                          tokenizer_.special());
  for (int i = 0; i < 2; ++i) {
    const Dataset stored =
        load_dataset({{.path = folder_ / "d.jsonl"}}, options(), {tokenizer_, &chat, {2}, "hash"});
    EXPECT_TRUE(stored.examples[0].weights.empty());
    EXPECT_EQ(stored.examples[1].weights, (Weights{1, 1, 0.5F, 0.5F}));
    EXPECT_EQ(marked(stored.examples[2], tokenizer_), "a<e>⟦b<e>⟧");
    EXPECT_EQ(stored.examples[3].weights, (Weights{1, 1, 0.25F, 0.25F}));
    EXPECT_EQ(stored.report.duplicates, 1);
    EXPECT_NE(join(stored.report.notes, "\n").find("that count less or more than others: 2 "),
              std::string::npos);
  }
}

/// The index of a cache file with one entry changed, under a sum that is right again.
TEST_F(TokenCache, IsMadeAnewWhenItsIndexLiesUnderARightSum) {
  const std::vector<std::string> whole = shown(load(options()));
  const auto file = cached().at(0);
  const std::string good = bytes_of_file(file);
  const auto forged = [&](const std::function<void(TokenCacheEntry&, TokenCacheFooter&)>& change) {
    std::string bytes = good;
    TokenCacheFooter footer{};
    const size_t end = bytes.size() - sizeof footer;
    std::memcpy(&footer, bytes.data() + end, sizeof footer);
    TokenCacheEntry entry{};
    char* const place = bytes.data() + footer.index_begin;
    std::memcpy(&entry, place, sizeof entry);
    change(entry, footer);
    std::memcpy(place, &entry, sizeof entry);
    std::memcpy(footer.sha256, sha256(bytes.substr(0, end)).data(), sizeof footer.sha256);
    std::memcpy(bytes.data() + end, &footer, sizeof footer);
    put_file(file, bytes);
    const auto parts = source_files({{.path = folder_ / "d.jsonl"}});
    EXPECT_FALSE(open_token_cache(file, parts));
    EXPECT_EQ(shown(load(options())), whole);
  };
  forged([](auto& entry, auto&) { entry.begin = uint64_t{1} << 45; });
  forged([](auto& entry, auto&) { entry.begin = 2; });
  forged([](auto& entry, auto&) { entry.length = uint64_t{1} << 62; });
  forged([](auto& entry, auto&) { entry.length += 1000; });
  forged([](auto& entry, auto&) { entry.has_weights = 2; });
  forged([](auto& entry, auto&) { entry.has_weights = -1; });
  forged([](auto& entry, auto&) { entry.file = 7; });
  forged([](auto& entry, auto&) { entry.label = 0; });
  forged([](auto& entry, auto&) { entry.prompt_length = -1; });
  forged([](auto& entry, auto&) { entry.answer_end = 1000; });
  forged([](auto&, auto& footer) { footer.examples += uint64_t{1} << 61; });
}

TEST_F(TokenCache, IsMadeAnewWhenAByteOfItIsWrong) {
  const std::vector<std::string> whole = shown(load(options()));
  const auto file = cached().at(0);
  const auto parts = source_files({{.path = folder_ / "d.jsonl"}});
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(8);
  stream.put('x');
  stream.close();
  EXPECT_FALSE(open_token_cache(file, parts));
  EXPECT_EQ(shown(load(options())), whole);
  std::filesystem::resize_file(file, 50);
  EXPECT_FALSE(open_token_cache(file, parts));
  EXPECT_EQ(shown(load(options())), whole);
  EXPECT_TRUE(open_token_cache(file, parts));
}

TEST_F(TokenCache, IsLeftWholeOrNotAtAllByAKill) {
  for (int delay = 0; delay < 20; ++delay) {
    const pid_t child = ::fork();
    if (child == 0) {
      load(options());
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(100 * delay));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const auto& file : cached()) {
      EXPECT_TRUE(file.extension() != ".tokens" ||
                  open_token_cache(file, source_files({{.path = folder_ / "d.jsonl"}})));
    }
    std::filesystem::remove_all(folder_ / "cache");
  }
}

TEST_F(TokenCache, IsPassedByWhereItCannotBeWritten) {
  put_file(folder_ / "cache", "a file");
  EXPECT_EQ(load(options()).examples.size(), 3);
}

TEST_F(TokenCache, KeepsNothingOfRowsThatAreRefused) {
  put_file(folder_ / "d.jsonl", "{\"text\": 1}\n");
  EXPECT_EQ(error_text<DataError>([&] { load(options()); }).substr(folder_.path().string().size()),
            "/d.jsonl:1: text: expected a string, found 1");
  EXPECT_TRUE(cached().empty());
}

TEST_F(TokenCache, IsLeftAloneForFewBytes) {
  DataOptions large = options();
  large.cache_from = 1 << 20;
  load(large);
  EXPECT_TRUE(cached().empty());
}

TEST_F(TokenCache, ForgetsWhatNobodyOpensForAMonth) {
  load(options());
  const auto file = cached().at(0);
  std::filesystem::last_write_time(
      file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * 31));
  tidy_token_cache(folder_ / "cache");
  EXPECT_TRUE(cached().empty());
}

TEST_F(TokenCache, HasAKeyThatEveryOptionChanges) {
  const auto parts = source_files({{.path = folder_ / "d.jsonl"}});
  const std::function<void(DataOptions&)> changes[] = {
      [](DataOptions&) {},
      [](DataOptions& o) { o.format = "pair"; },
      [](DataOptions& o) { o.train_on = "all"; },
      [](DataOptions& o) { o.train_on_eos = false; },
      [](DataOptions& o) { o.max_length = 7; },
      [](DataOptions& o) { o.overflow = "drop"; },
      [](DataOptions& o) {
        o.columns = {{"prompt", "q"}};
      },
      [](DataOptions& o) { o.special_in_text = "error"; },
      [](DataOptions& o) { o.text_split = "line"; },
      [](DataOptions& o) { o.skip_bad = 0.1; },
      [](DataOptions& o) { o.refuses = false; },
      [](DataOptions& o) { o.keep_cut = 1; },
      [](DataOptions& o) { o.task = Task::kClassification; },
      [](DataOptions& o) { o.label_names = {"a"}; }};
  std::set<std::string> keys;
  for (const auto& change : changes) {
    DataOptions changed;
    change(changed);
    keys.insert(token_cache_key(parts, "content", changed, pipeline()));
  }
  EXPECT_EQ(keys.size(), std::size(changes));
}

TEST_F(TokenCache, HasAKeyOfContentFilesTokenizerAndTemplate) {
  const auto parts = source_files({{.path = folder_ / "d.jsonl"}});
  put_file(folder_ / "e.jsonl", kRows);
  const ChatTemplate one("{{ messages }}", tokenizer_.special());
  const ChatTemplate two("{{ messages }} ", tokenizer_.special());
  const ChatTemplate none("", tokenizer_.special());
  const std::set<std::string> keys = {
      token_cache_key(parts, "c", {}, pipeline()),
      token_cache_key(parts, "d", {}, pipeline()),
      token_cache_key(source_files({{.path = folder_ / "e.jsonl"}}), "c", {}, pipeline()),
      token_cache_key(source_files({{.path = folder_ / "d.jsonl", .limit = 2}}), "c", {},
                      pipeline()),
      token_cache_key(parts, "c", {}, {tokenizer_, nullptr, {2}, "other"}),
      token_cache_key(parts, "c", {}, {tokenizer_, nullptr, {2, 3}, "hash"}),
      token_cache_key(parts, "c", {}, {tokenizer_, &none, {2}, "hash"}),
      token_cache_key(parts, "c", {}, {tokenizer_, &one, {2}, "hash"}),
      token_cache_key(parts, "c", {}, {tokenizer_, &two, {2}, "hash"})};
  EXPECT_EQ(keys.size(), 9);
}

TEST_F(TokenCache, AWeightChangesNoKey) {
  EXPECT_EQ(token_cache_key(source_files({{.path = folder_ / "d.jsonl"}}), "c", {}, pipeline()),
            token_cache_key(source_files({{.path = folder_ / "d.jsonl", .weight = 3.0}}), "c", {},
                            pipeline()));
}

/// Enough rows for several pieces of several threads, each of its own length.
TEST_F(TokenCache, ThreadsKeepTheOrderOfTheRows) {
  std::string rows;
  for (int i = 0; i < 30'000; ++i) {
    rows += fmt::format("{{\"text\": \"{:d} {}\"}}\n", i,
                        std::string(static_cast<size_t>(i % 97), 'z'));
  }
  put_file(folder_ / "d.jsonl", rows);
  const Dataset stored = load(options());
  ASSERT_EQ(stored.examples.size(), 30'000);
  for (int i = 0; i < 30'000; ++i) {
    const Example& example = stored.examples[static_cast<size_t>(i)];
    ASSERT_EQ(example.line, i + 1);
    ASSERT_TRUE(tokenizer_.decode(example.ids, true).starts_with(fmt::format("{} ", i)));
  }
}

/// A tokenizer and a template are shared by all threads.
TEST_F(TokenCache, ThreadsMakeTheIdsThatOneThreadMakes) {
  const auto fixtures = std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures/data";
  const auto tokenizer = load_tokenizer(fixtures / "tokenizer");
  const ChatTemplate chat(read_text<DataError>(fixtures / "templates/chatml.jinja", 1 << 16),
                          tokenizer->special());
  const TextPipeline real{*tokenizer, &chat, {*tokenizer->special().eos}};
  std::string all;
  std::string few;  // under the size that is worth a thread
  for (int i = 0; i < 6000; ++i) {
    const std::string row = fmt::format(
        "{{\"messages\": [{{\"role\": \"user\", \"content\": \"{0} is what?\"}}, {{\"role\": "
        "\"assistant\", \"content\": \"It is {0}, the {1}. {2}\"}}]}}\n",
        i, i * 7919, std::string(static_cast<size_t>(200 + i % 50), 'e'));
    all += row;
    few += i >= 4000 ? row : "";
  }
  put_file(folder_ / "all.jsonl", all);
  put_file(folder_ / "few.jsonl", few);
  const Dataset many = load_dataset({{.path = folder_ / "all.jsonl"}}, {}, real);
  const Dataset alone = load_dataset({{.path = folder_ / "few.jsonl"}}, {}, real);
  ASSERT_EQ(many.examples.size(), 6000);
  for (size_t i = 0; i < alone.examples.size(); ++i) {
    ASSERT_EQ(many.examples[4000 + i].ids, alone.examples[i].ids);
    ASSERT_EQ(many.examples[4000 + i].labels, alone.examples[i].labels);
  }
  for (size_t i = 0; i < many.examples.size(); ++i) {
    ASSERT_NE(tokenizer->decode(many.examples[i].ids, true).find(fmt::format("{} is", i)),
              std::string::npos);
  }
}

TEST_F(TokenCache, ThreadsNameTheFirstBadRow) {
  std::string rows;
  for (int i = 0; i < 30'000; ++i) {
    rows += i == 25'000 || i == 25'001 ? "{\"text\": 1}\n"
                                       : "{\"text\": \"" + std::string(100, 'y') + "\"}\n";
  }
  put_file(folder_ / "d.jsonl", rows);
  EXPECT_EQ(error_text<DataError>([&] { load({}); }).substr(folder_.path().string().size()),
            "/d.jsonl:25001: text: expected a string, found 1");
}

}  // namespace
}  // namespace peft
