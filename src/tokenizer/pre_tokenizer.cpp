#include "pre_tokenizer.h"

#include "byte_level.h"
#include "characters.h"
#include "metaspace.h"
#include "peft/util/text.h"
#include "split_pattern.h"
#include "splitters.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

/// GPT-2's words, to be spelled in the byte-level alphabet: by the model, or when others cut them
/// further, here.
class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space) {
    if (use_regex) {
      splitter_ = std::make_unique<PatternSplitter>(
          SplitPattern::expression(std::string(kGpt2Split), "the pattern of GPT-2"),
          SplitBehavior::kIsolated, /*invert=*/false);
    }
  }

  void split(AlignedText& text, std::vector<ByteRange>& words) const override {
    if (add_prefix_space_) {
      prepend(text, words, " ",
              [&](const ByteRange& word) { return text.text()[word.begin] != ' '; });
    }
    if (splitter_ != nullptr) {
      splitter_->split(text, words);
    }
    if (spells_) {
      spell(text, words);
    }
  }

  bool byte_level() const override { return !spells_; }
  void spell_bytes_here() override { spells_ = true; }

 private:
  /// Spells the text; the words move with it.
  static void spell(AlignedText& text, std::vector<ByteRange>& words) {
    size_t at = 0;  // bytes of the text that `spelled` bytes stand for
    size_t spelled = 0;
    const auto moved = [&](size_t end) {
      for (; at < end; ++at) {
        spelled += spelling_of_byte(static_cast<uint8_t>(text.text()[at])).size();
      }
      return spelled;
    };
    for (ByteRange& word : words) {
      word.begin = moved(word.begin);
      word.end = moved(word.end);
    }
    spell_bytes(text);
  }

  bool add_prefix_space_;
  bool spells_ = false;
  std::unique_ptr<PatternSplitter> splitter_;
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {
    for (size_t i = 0; i + 1 < parts_.size(); ++i) {
      parts_[i]->spell_bytes_here();
    }
  }

  void split(AlignedText& text, std::vector<ByteRange>& words) const override {
    for (const auto& part : parts_) {
      part->split(text, words);
    }
  }

  bool byte_level() const override { return !parts_.empty() && parts_.back()->byte_level(); }
  void spell_bytes_here() override {
    for (const auto& part : parts_) {
      part->spell_bytes_here();
    }
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

std::unique_ptr<PreTokenizer> read_pre_tokenizers(Reader& reader) {
  std::vector<Json> list;
  reader.require("pretokenizers", list);
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(
        read_pre_tokenizer(list[i], fmt::format("{}.pretokenizers[{}]", reader.where(), i)));
  }
  return std::make_unique<SequencePreTokenizer>(std::move(parts));
}

std::unique_ptr<PreTokenizer> read_byte_level(Reader& reader) {
  bool add_prefix_space = true;
  bool use_regex = true;
  reader.read("add_prefix_space", add_prefix_space);
  reader.read("use_regex", use_regex);
  reader.ignore({"trim_offsets"});
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, use_regex);
}

std::unique_ptr<PreTokenizer> read_split(Reader& reader) {
  Json pattern;
  std::string behavior;
  bool invert = false;
  reader.require("pattern", pattern);
  reader.require("behavior", behavior);
  reader.read("invert", invert);
  return std::make_unique<PatternSplitter>(SplitPattern::read(pattern, reader.where() + ".pattern"),
                                           split_behavior(behavior, reader.where()), invert);
}

/// Those that look at single characters.
std::unique_ptr<PreTokenizer> read_by_characters(const std::string& type, Reader& reader) {
  if (type == "Digits") {
    bool individual = false;
    reader.read("individual_digits", individual);
    return std::make_unique<CharacterSplitter>(
        is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "WhitespaceSplit") {
    return std::make_unique<CharacterSplitter>(is_whitespace, SplitBehavior::kRemoved);
  }
  if (type == "Punctuation") {
    std::string behavior = "Isolated";
    reader.read("behavior", behavior);
    return std::make_unique<CharacterSplitter>(is_punctuation,
                                               split_behavior(behavior, reader.where()));
  }
  if (type == "BertPreTokenizer") {
    return std::make_unique<BertPreTokenizer>();
  }
  fail<ModelError>("{}: the pre-tokenizer \"{}\" is not supported", reader.where(), type);
}

std::unique_ptr<PreTokenizer> read_typed_pre_tokenizer(const std::string& type, Reader& reader) {
  if (type == "Sequence") {
    return read_pre_tokenizers(reader);
  }
  if (type == "ByteLevel") {
    return read_byte_level(reader);
  }
  if (type == "Split") {
    return read_split(reader);
  }
  if (type == "Metaspace") {
    return read_metaspace(reader);
  }
  if (type == "Whitespace") {
    // Not \w: this pattern's words have the two joiners and no superscripts.
    const std::string word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}";
    return std::make_unique<PatternSplitter>(
        SplitPattern::expression(fmt::format("[{0}]+|[^{0}\\s]+", word), reader.where()),
        SplitBehavior::kRemoved, /*invert=*/true);
  }
  if (type == "CharDelimiterSplit") {
    std::string delimiter;
    reader.require("delimiter", delimiter);
    return std::make_unique<PatternSplitter>(SplitPattern::text(delimiter), SplitBehavior::kRemoved,
                                             /*invert=*/false);
  }
  return read_by_characters(type, reader);
}

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where) {
  Reader reader(json, where);
  std::string type;
  reader.require("type", type);
  std::unique_ptr<PreTokenizer> pre_tokenizer = read_typed_pre_tokenizer(type, reader);
  reader.finish();
  return pre_tokenizer;
}

}  // namespace peft
