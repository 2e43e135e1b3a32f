#include "bert_normalizer.h"

#include <algorithm>
#include <vector>

#include "characters.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Replaces each character by one or more; `write(c, changes)` appends them.
template <class Write>
void rewrite(AlignedText& text, const Write& write) {
  std::vector<Change> changes;
  changes.reserve(text.text().size());
  for (size_t at = 0; at < text.text().size();) {
    write(next_code_point(text.text(), at), changes);
  }
  text.transform(changes);
}

/// Removes the characters that `is_gone` says, if there is one.
template <class IsGone>
void remove_if(AlignedText& text, const IsGone& is_gone) {
  std::vector<Change> kept;
  kept.reserve(text.text().size());
  size_t removed_before = 0;
  bool any = false;
  for (size_t at = 0; at < text.text().size();) {
    const char32_t c = next_code_point(text.text(), at);
    if (!is_gone(c)) {
      kept.push_back({c, 0});
      continue;
    }
    any = true;
    if (kept.empty()) {
      ++removed_before;
    } else {
      --kept.back().change;
    }
  }
  if (any) {
    text.transform(kept, removed_before);
  }
}

/// Maps characters one to one, if any changes.
template <class Map>
void map_characters(AlignedText& text, const Map& map) {
  bool any = false;
  for (size_t at = 0; at < text.text().size() && !any;) {
    const char32_t c = next_code_point(text.text(), at);
    any = map(c) != c;
  }
  if (any) {
    rewrite(text, [&](char32_t c, std::vector<Change>& changes) {
      changes.push_back({map(c), 0});
    });
  }
}

class BertNormalizer final : public Normalizer {
 public:
  BertNormalizer(bool clean, bool space_chinese, bool without_accents, bool lower)
      : clean_(clean),
        space_chinese_(space_chinese),
        without_accents_(without_accents),
        lower_(lower) {}

  void normalize(AlignedText& text) const override {
    if (clean_) {
      remove_if(text, is_removed_by_bert);
      map_characters(text, [](char32_t c) { return is_whitespace(c) ? U' ' : c; });
    }
    if (space_chinese_) {
      space_chinese(text);
    }
    if (without_accents_) {
      normalize_unicode(text, UnicodeForm::kNfd);
      remove_if(text, is_accent);
    }
    if (lower_) {
      lowercase(text);
    }
  }

 private:
  static void space_chinese(AlignedText& text) {
    const std::string& all = text.text();
    bool any = false;
    for (size_t at = 0; at < all.size() && !any;) {
      any = is_chinese(next_code_point(all, at));
    }
    if (any) {
      rewrite(text, [](char32_t c, std::vector<Change>& changes) {
        if (is_chinese(c)) {
          changes.insert(changes.end(), {{U' ', 0}, {c, 1}, {U' ', 1}});
        } else {
          changes.push_back({c, 0});
        }
      });
    }
  }

  bool clean_;
  bool space_chinese_;
  bool without_accents_;
  bool lower_;
};

class StripAccentsNormalizer final : public Normalizer {
 public:
  void normalize(AlignedText& text) const override { remove_if(text, is_combining_mark); }
};

class NmtNormalizer final : public Normalizer {
 public:
  void normalize(AlignedText& text) const override {
    remove_if(text, [](char32_t c) {
      return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
             c == 0x8F || c == 0x9F;
    });
    map_characters(text, [](char32_t c) {
      const bool space = (c >= 0x09 && c <= 0x0D) || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      return space ? U' ' : c;
    });
  }
};

}  // namespace

std::unique_ptr<Normalizer> read_bert_normalizer(JsonReader<ModelError>& reader) {
  bool clean = true;
  bool space_chinese = true;
  bool lower = true;
  std::optional<bool> without_accents;
  reader.read("clean_text", clean);
  reader.read("handle_chinese_chars", space_chinese);
  reader.read("lowercase", lower);
  reader.read("strip_accents", without_accents);
  return std::make_unique<BertNormalizer>(clean, space_chinese, without_accents.value_or(lower),
                                          lower);
}

std::unique_ptr<Normalizer> strip_accents_normalizer() {
  return std::make_unique<StripAccentsNormalizer>();
}

std::unique_ptr<Normalizer> nmt_normalizer() {
  return std::make_unique<NmtNormalizer>();
}

}  // namespace peft
