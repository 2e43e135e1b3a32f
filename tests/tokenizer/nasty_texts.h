#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "peft/util/text.h"

namespace peft {

/// Texts that are hard on tokenizers, the same ones every time; scripts/fixtures/nasty_texts.py
/// makes them in Python.
class NastyText {
 public:
  static std::string make(uint64_t number) {
    NastyText text(number);
    const uint64_t pieces = 1 + text.below(12);
    for (uint64_t i = 0; i < pieces; ++i) {
      text.next_piece();
      text.all_ += text.piece_;
    }
    return text.all_;
  }

 private:
  explicit NastyText(uint64_t seed) : state_(seed) {}

  /// SplitMix64 (Steele, Lea and Flood 2014).
  uint64_t below(uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31)) % bound;
  }

  char32_t between(char32_t first, char32_t last) {
    return first + static_cast<char32_t>(below(last - first + 1));
  }

  char32_t anywhere() {
    const auto c = static_cast<char32_t>(below(0x110000 - 0x800));
    return c < 0xD800 ? c : c + 0x800;
  }

  template <class One>
  void several(uint64_t most, const One& one) {
    const uint64_t count = 1 + below(most);
    for (uint64_t i = 0; i < count; ++i) {
      append_utf8(piece_, one());
    }
  }

  template <size_t N>
  void one_of(const std::array<std::string_view, N>& list) {
    piece_ = list[below(N)];
  }

  void next_piece() {
    const uint64_t kind = below(16);
    if (kind == 15) {
      return;  // the last piece again
    }
    piece_.clear();
    if (kind == 0) {
      several(12, [&] { return between(0x61, 0x7A); });
    } else if (kind == 1 || kind == 2) {
      one_of(kWords);
    } else if (kind == 3) {
      one_of(kSpaces);
    } else if (kind == 4) {
      several(9, [&] { return between(0x30, 0x39); });
    } else if (kind == 5) {
      several(4, [&] { return static_cast<char32_t>(kPunctuation[below(kPunctuation.size())]); });
    } else if (kind == 6 || kind == 7) {
      const auto [first, last] = kRanges[below(kRanges.size())];
      several(6, [&, from = first, to = last] { return between(from, to); });
    } else if (kind == 8) {
      several(3, [&] { return anywhere(); });
    } else if (kind == 9) {
      append_utf8(piece_, between(0x41, 0x7A));
      several(4, [&] { return between(0x300, 0x36F); });
    } else if (kind == 10) {
      one_of(kSpecial);
    } else if (kind == 11) {
      run();
    } else if (kind == 12) {
      one_of(kCode);
    } else {
      piece_ = " ";
      several(10, [&] { return below(5) == 0 ? between(0x41, 0x5A) : between(0x61, 0x7A); });
    }
  }

  void run() {
    const char32_t one = below(3) == 0 ? anywhere() : between(0x20, 0x7E);
    const uint64_t count = 10 + below(70);
    for (uint64_t i = 0; i < count; ++i) {
      append_utf8(piece_, one);
    }
  }

  static constexpr std::array<std::string_view, 38> kWords = {"the",
                                                              " The",
                                                              "don't",
                                                              "I'LL",
                                                              "we've",
                                                              "it's",
                                                              "naïve",
                                                              "ﬁne",
                                                              "Straße",
                                                              "İstanbul",
                                                              "ﾊﾝｶｸ",
                                                              "한국어",
                                                              "日本語",
                                                              "你好",
                                                              "สวัสดี",
                                                              "नमस्ते",
                                                              "مرحبا",
                                                              "שלום",
                                                              "Ελλάδα",
                                                              "Привет",
                                                              "\u0130\u0307",
                                                              "e\u0301e\u0300",
                                                              "\u1112\u1161\u11ab",
                                                              "Ⅷ",
                                                              "½",
                                                              "x²",
                                                              "ǅ",
                                                              "ß",
                                                              "K",
                                                              "Å",
                                                              "𝔘𝔫𝔦",
                                                              "👩‍👩‍👧‍👦",
                                                              "🇩🇪🇫🇷",
                                                              "☝🏽",
                                                              "ā́",
                                                              "a\u200db",
                                                              "\ufeffbom",
                                                              "co\u00adop"};
  static constexpr std::array<std::string_view, 14> kSpaces = {
      " ",      "  ", "\n",       "\r\n",   "\t",   "\u00a0", "\u3000",
      "\u2028", "\v", "\xC2\x85", "\u200b", " \n ", "\n\n\n", "   "};
  static constexpr std::array<std::string_view, 20> kSpecial = {"<s>",
                                                                "</s>",
                                                                "<unk>",
                                                                "<pad>",
                                                                "<|endoftext|>",
                                                                "[CLS]",
                                                                "[MASK]",
                                                                "[UNK]",
                                                                "<|im_start|>",
                                                                "<|begin_of_text|>",
                                                                "<extra_id_0>",
                                                                "[INST]",
                                                                "<0x0A>",
                                                                "▁",
                                                                "▁▁",
                                                                "Ġ",
                                                                "##ing",
                                                                "<|im_",
                                                                "</",
                                                                "<|"};
  static constexpr std::array<std::string_view, 11> kCode = {"https://example.org/a?b=c&d=%20",
                                                             "def f(x):\n    return x**2\n",
                                                             "{\"k\": [1, 2.5e-3]}",
                                                             "C:\\dir\\file",
                                                             "a_b-c.d/e",
                                                             "$1,234.56",
                                                             "12:30:45",
                                                             "--flag=value",
                                                             "#include <x>\n",
                                                             "&amp;&lt;",
                                                             "f(x)[0]->y;"};
  static constexpr std::array<std::pair<char32_t, char32_t>, 22> kRanges = {
      {{0x00, 0x1F},       {0x80, 0xFF},      {0x100, 0x24F},     {0x250, 0x36F},
       {0x370, 0x52F},     {0x590, 0x6FF},    {0x900, 0x97F},     {0xE00, 0xE7F},
       {0x1100, 0x11FF},   {0x1E00, 0x1FFF},  {0x2000, 0x206F},   {0x2070, 0x218F},
       {0x2460, 0x24FF},   {0x3000, 0x30FF},  {0x4E00, 0x4FFF},   {0xAC00, 0xADFF},
       {0xF900, 0xFAFF},   {0xFE00, 0xFFFD},  {0x1D400, 0x1D7FF}, {0x1F300, 0x1F6FF},
       {0x20000, 0x200FF}, {0xE0000, 0xE01EF}}};
  static constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

  uint64_t state_;
  std::string piece_;
  std::string all_;
};

}  // namespace peft
