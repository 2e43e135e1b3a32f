#include "normalizer.h"

#include <algorithm>
#include <vector>

#include "bert_normalizer.h"
#include "byte_level.h"
#include "character_map.h"
#include "characters.h"
#include "peft/util/text.h"
#include "split_pattern.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> parts)
      : parts_(std::move(parts)) {}
  void normalize(AlignedText& text) const override {
    for (const auto& part : parts_) {
      part->normalize(text);
    }
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prepended) : prepended_(std::move(prepended)) {}
  void normalize(AlignedText& text) const override {
    if (!text.empty()) {
      text.insert_before(std::vector<size_t>{0}, prepended_);
    }
  }

 private:
  std::string prepended_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(SplitPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void normalize(AlignedText& text) const override {
    text.replace(pattern_.matches(text.text()), content_);
  }

 private:
  SplitPattern pattern_;
  std::string content_;
};

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}
  void normalize(AlignedText& text) const override { normalize_unicode(text, form_); }

 private:
  UnicodeForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void normalize(AlignedText& text) const override { lowercase(text); }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void normalize(AlignedText& text) const override { spell_bytes(text); }
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void normalize(AlignedText& text) const override {
    const std::string& all = text.text();
    size_t first = 0;  // of the first character that stays
    size_t last = 0;   // behind the last one
    bool inside = false;
    for (size_t at = 0; at < all.size();) {
      const size_t begin = at;
      if (!is_whitespace(next_code_point(all, at))) {
        first = inside ? first : begin;
        last = at;
        inside = true;
      }
    }
    const ByteRange kept{left_ ? (inside ? first : all.size()) : 0, right_ ? last : all.size()};
    if (kept.size() != all.size()) {
      text.keep({kept.begin, std::max(kept.begin, kept.end)});
    }
  }

 private:
  bool left_;
  bool right_;
};

std::unique_ptr<Normalizer> read_normalizers(Reader& reader) {
  std::vector<Json> parts;
  reader.require("normalizers", parts);
  std::vector<std::unique_ptr<Normalizer>> normalizers;
  for (size_t i = 0; i < parts.size(); ++i) {
    normalizers.push_back(
        read_normalizer(parts[i], fmt::format("{}.normalizers[{}]", reader.where(), i)));
  }
  return std::make_unique<SequenceNormalizer>(std::move(normalizers));
}

std::unique_ptr<Normalizer> read_typed_normalizer(const std::string& type, Reader& reader) {
  if (type == "Sequence") {
    return read_normalizers(reader);
  }
  if (type == "Prepend") {
    std::string prepended;
    reader.require("prepend", prepended);
    return std::make_unique<PrependNormalizer>(prepended);
  }
  if (type == "Replace") {
    Json pattern;
    std::string content;
    reader.require("pattern", pattern);
    reader.require("content", content);
    return std::make_unique<ReplaceNormalizer>(
        SplitPattern::read(pattern, reader.where() + ".pattern"), content);
  }
  if (type == "BertNormalizer") {
    return read_bert_normalizer(reader);
  }
  if (type == "Precompiled") {
    std::string map;
    reader.read("precompiled_charsmap", map);
    return precompiled_normalizer(map, reader.where() + ".precompiled_charsmap");
  }
  if (type == "StripAccents") {
    return strip_accents_normalizer();
  }
  if (type == "Nmt") {
    return nmt_normalizer();
  }
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelNormalizer>();
  }
  if (type == "Lowercase") {
    return std::make_unique<LowercaseNormalizer>();
  }
  if (type == "Strip") {
    bool left = true;
    bool right = true;
    reader.require("strip_left", left);
    reader.require("strip_right", right);
    return std::make_unique<StripNormalizer>(left, right);
  }
  const std::vector<std::pair<std::string, UnicodeForm>> forms = {{"NFC", UnicodeForm::kNfc},
                                                                  {"NFD", UnicodeForm::kNfd},
                                                                  {"NFKC", UnicodeForm::kNfkc},
                                                                  {"NFKD", UnicodeForm::kNfkd}};
  for (const auto& [name, form] : forms) {
    if (type == name) {
      return std::make_unique<UnicodeNormalizer>(form);
    }
  }
  fail<ModelError>("{}: the normalizer \"{}\" is not supported", reader.where(), type);
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& where) {
  Reader reader(json, where);
  std::string type;
  reader.require("type", type);
  std::unique_ptr<Normalizer> normalizer = read_typed_normalizer(type, reader);
  reader.finish();
  return normalizer;
}

}  // namespace peft
