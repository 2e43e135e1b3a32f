#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "peft/tokenizer/tokenizer.h"
#include "peft/util/text.h"

namespace peft {

/// A tokenizer that can be read at a glance: ASCII only, one token per character with the
/// character's code as id, "[s]" (1) and "[/s]" (2) as BOS and EOS, "<u>" (3), "<a>" (4) and "<e>"
/// (5) as further special tokens, and "xy" (6) as the one token that merges characters.
class FakeTokenizer final : public Tokenizer {
 public:
  explicit FakeTokenizer(bool adds_bos = true) : adds_bos_(adds_bos) {
    special_.bos = 1;
    special_.eos = 2;
    special_.bos_text = "[s]";
    special_.eos_text = "[/s]";
  }

  using Tokenizer::encode;
  Encoding encode(std::string_view text, bool add_special_tokens,
                  std::span<const TextSpan> plain) const override {
    Encoding encoding;
    if (add_special_tokens && adds_bos_) {
      encoding.ids.push_back(1);
      encoding.offsets.emplace_back(0, 0);
    }
    for (size_t i = 0; i < text.size();) {
      std::string spelling = next(text.substr(i));
      const bool stays_text = std::any_of(plain.begin(), plain.end(), [&](const TextSpan& span) {
        return span.begin <= i && i + spelling.size() <= span.end;
      });
      if (stays_text && is_special(*id(spelling))) {
        spelling = text.substr(i, 1);
      }
      encoding.ids.push_back(*id(spelling));
      encoding.offsets.emplace_back(i, i + spelling.size());
      i += spelling.size();
    }
    return encoding;
  }

  /// "[s]first<e>second[/s]", the second and what follows of type 1.
  PairFrame pair_frame() const override { return {{1}, {5}, {2}, 1}; }

  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override {
    std::string text;
    for (const int32_t token_id : ids) {
      text += skip_special_tokens && is_special(token_id) ? "" : token(token_id);
    }
    return text;
  }

  std::string token(int32_t token_id) const override {
    const auto place = static_cast<size_t>(token_id);
    return place < kWords.size() ? kWords[place] : std::string(1, static_cast<char>(token_id));
  }

  std::optional<int32_t> id(std::string_view spelling) const override {
    const auto found = std::find(kWords.begin(), kWords.end(), spelling);
    return found == kWords.end() ? spelling[0] : static_cast<int32_t>(found - kWords.begin());
  }

  int64_t vocabulary_size() const override { return 128; }
  bool is_special(int32_t token_id) const override { return token_id > 0 && token_id < 6; }

 private:
  static std::string next(std::string_view text) {
    for (const std::string& word : kWords) {
      if (!word.empty() && text.starts_with(word)) {
        return word;
      }
    }
    return std::string(text.substr(0, 1));
  }

  inline static const std::vector<std::string> kWords = {"\x7f", "[s]", "[/s]", "<u>",
                                                         "<a>",  "<e>", "xy"};
  bool adds_bos_;
};

/// Trained tokens between ⟦ and ⟧, the notation of `peft data show`.
template <class Row>
std::string marked(const Row& row, const Tokenizer& tokenizer) {
  std::string text;
  bool trained = false;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const bool now = row.labels[i] != -100;
    text += now == trained ? "" : now ? "⟦" : "⟧";
    trained = now;
    text += tokenizer.token(row.ids[i]);
  }
  return text + (trained ? "⟧" : "");
}

}  // namespace peft
