#include "peft/data/shared_encoding.h"

#include <gtest/gtest.h>

#include "data/fake_tokenizer.h"
#include "tokenizer/nasty_texts.h"

namespace peft {
namespace {

void expect_same(const Tokenizer& tokenizer, const std::string& known, const std::string& text) {
  const EncodedText whole{known, tokenizer.encode(known, /*add_special_tokens=*/false)};
  const Encoding expected = tokenizer.encode(text, /*add_special_tokens=*/false);
  const Encoding found = encode_after(whole, text, tokenizer);
  EXPECT_EQ(found.ids, expected.ids) << known << " and " << text;
  EXPECT_EQ(found.offsets, expected.offsets) << known << " and " << text;
}

TEST(SharedEncoding, IsThatOfTheWholeText) {
  const auto tokenizer = load_tokenizer(PEFT_SOURCE_DIR "/tests/fixtures/data/tokenizer");
  for (uint64_t i = 0; i < 2000; ++i) {
    const std::string head = NastyText::make(3 * i) + "<|im_end|>" + NastyText::make(3 * i + 1);
    const std::string tail = NastyText::make(3 * i + 2);
    expect_same(*tokenizer, head + tail, head);
    expect_same(*tokenizer, head, head + tail);
    expect_same(*tokenizer, head + "\n", head + tail);
    expect_same(*tokenizer, tail, head);
  }
}

TEST(SharedEncoding, LooksForWhatBeginsInTheCommonPart) {
  const FakeTokenizer tokenizer;
  expect_same(tokenizer, "<u>ax", "<u>axy");
  expect_same(tokenizer, "<u>a<e", "<u>a<e>");
  expect_same(tokenizer, "", "<u>");
}

}  // namespace
}  // namespace peft
