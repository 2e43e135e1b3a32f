#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "tiny_tokenizer.h"

namespace peft {
namespace {

/// Sixteen times the text may take this many times as long: memory that the system must hand out
/// makes it more than sixteen. A quadratic way takes 256.
constexpr double kLargestRatio = 64.0;
constexpr size_t kBytes = 20'000;

/// Processor time of this thread, which other programs on the machine do not lengthen.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The best of three.
double seconds_for(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double start = thread_seconds();
    tokenizer.encode(text, /*add_special_tokens=*/true);
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

std::string repeated(const std::string& unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    text += unit;
  }
  return text;
}

void expect_linear(const Json& json) {
  const auto tokenizer = TokenizerFolder(json).load();
  for (const char* const unit : {"a", " ", "\n", "ab", "he", "<", "<|im", "1", "'", "\u0301", "漢",
                                 "\U0001F600", "a\u0301\u0327", "Aa ", "▁", " \t", "<|im_end|>"}) {
    const double once = seconds_for(*tokenizer, repeated(unit, kBytes));
    const double sixteen_times = seconds_for(*tokenizer, repeated(unit, 16 * kBytes));
    EXPECT_LT(sixteen_times, kLargestRatio * std::max(once, 1e-4)) << unit;
  }
}

TEST(LinearTime, ForByteLevelBpe) {
  Json json = tiny_byte_level();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {added_token(261, "<|im_end|>"), added_token(262, "<|im")};
  json["added_tokens"][0]["lstrip"] = true;
  json["added_tokens"][1]["rstrip"] = true;
  expect_linear(json);
}

TEST(LinearTime, ForBpeOverAWholeText) {
  Json json = tiny_byte_level();
  json["normalizer"] = Json::parse(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})");
  json["pre_tokenizer"] = nullptr;
  json["model"]["vocab"] = Json::parse(R"({"<unk>": 0, "a": 1, "aa": 2, "aaaa": 3, "▁": 4, "▁▁": 5,
      "h": 6, "e": 7, "he": 8, "1": 9, "11": 10})");
  json["model"]["merges"] = Json::parse(R"(["a a", "aa aa", "▁ ▁", "h e", "1 1"])");
  json["model"]["unk_token"] = "<unk>";
  json["model"]["fuse_unk"] = true;
  expect_linear(json);
}

TEST(LinearTime, ForUnigram) {
  Json json = tiny_byte_level();
  json["pre_tokenizer"] = nullptr;
  json["decoder"] = nullptr;
  json["model"] = Json::parse(R"({"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [
      ["<unk>", 0], ["a", -1], ["aa", -1.5], ["aaa", -2.5], [" ", -1], ["he", -2], ["1", -3]]})");
  for (unsigned byte = 0; byte < 256; ++byte) {
    json["model"]["vocab"].push_back({fmt::format("<0x{:02X}>", byte), -10});
  }
  expect_linear(json);
}

TEST(LinearTime, ForWordPiece) {
  Json json = tiny_byte_level();
  json["normalizer"] = {{"type", "BertNormalizer"}, {"lowercase", true}};
  json["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  json["decoder"] = {{"type", "WordPiece"}};
  json["model"] = Json::parse(R"({"type": "WordPiece", "unk_token": "[UNK]",
      "max_input_chars_per_word": 10000000,
      "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "##aa": 3, "##b": 4, "1": 5, "##1": 6}})");
  expect_linear(json);
}

}  // namespace
}  // namespace peft
