#include "pre_tokenizer.h"

#include "byte_level.h"
#include "split_pattern.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

/// Punctuation of ASCII and of the Unicode version that Hugging Face's library knows: what came
/// later is left out, two characters that have changed since are in.
constexpr std::string_view kPunctuation =
    R"([\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E\x{166D}\x{111C9}]|(?![)"
    R"(\x{61D}\x{9FD}\x{A76}\x{C77}\x{C84}\x{1B7D}\x{1B7E}\x{2E43}-\x{2E4F})"
    R"(\x{2E52}-\x{2E5D}\x{10EAD}\x{10F55}-\x{10F59}\x{10F86}-\x{10F89}\x{1144B}-\x{1144F})"
    R"(\x{1145A}\x{1145B}\x{1145D}\x{11660}-\x{1166C}\x{116B9}\x{1183B}\x{11944}-\x{11946})"
    R"(\x{119E2}\x{11A3F}-\x{11A46}\x{11A9A}-\x{11A9C}\x{11A9E}-\x{11AA2})"
    R"(\x{11C41}-\x{11C45}\x{11C70}\x{11C71}\x{11EF7}\x{11EF8}\x{11FFF}\x{12FF1}\x{12FF2})"
    R"(\x{16E97}-\x{16E9A}\x{16FE2}\x{1E95E}\x{1E95F})"
    R"(])\p{P})";

/// Cuts at the matches of a pattern.
class Splitter final : public PreTokenizer {
 public:
  Splitter(SplitPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void split(AlignedText& text, std::vector<ByteRange>& words) const override {
    const std::string_view all = text.text();
    std::vector<ByteRange> pieces;
    for (const ByteRange& word : words) {
      const auto matches = pattern_.matches(all.substr(word.begin, word.size()));
      for (const ByteRange& piece : split_at(word.size(), matches, behavior_, invert_)) {
        pieces.push_back({word.begin + piece.begin, word.begin + piece.end});
      }
    }
    words = std::move(pieces);
  }

 private:
  SplitPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// Puts `prefix` in front of every word that `wants` it, shifting what follows.
template <class Wants>
void prepend(AlignedText& text, std::vector<ByteRange>& words, std::string_view prefix,
             const Wants& wants) {
  std::vector<size_t> places;
  for (ByteRange& word : words) {
    const size_t shift = places.size() * prefix.size();
    const bool wanted = word.size() > 0 && wants(word);
    if (wanted) {
      places.push_back(word.begin);
    }
    word = {word.begin + shift, word.end + shift + (wanted ? prefix.size() : 0)};
  }
  text.insert_before(places, prefix);
}

/// GPT-2's words, to be spelled in the byte-level alphabet.
class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space) {
    if (use_regex) {
      splitter_ = std::make_unique<Splitter>(
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
  }

  bool byte_level() const override { return true; }

 private:
  bool add_prefix_space_;
  std::unique_ptr<Splitter> splitter_;
};

/// Writes spaces as a visible character and cuts before each.
class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  MetaspacePreTokenizer(const std::string& replacement, PrependScheme scheme, bool cut)
      : replacement_(replacement),
        scheme_(scheme),
        cut_(cut),
        space_(SplitPattern::text(" ")),
        splitter_(SplitPattern::text(replacement), SplitBehavior::kMergedWithNext,
                  /*invert=*/false) {}

  void split(AlignedText& text, std::vector<ByteRange>& words) const override {
    show_spaces(text, words);
    const auto unmarked = [&](const ByteRange& word) {
      const bool marked = text.text().compare(word.begin, replacement_.size(), replacement_) == 0;
      return !marked && (scheme_ == PrependScheme::kAlways ||
                         text.original({word.begin, word.begin + 1}).begin == 0);
    };
    if (scheme_ != PrependScheme::kNever) {
      prepend(text, words, replacement_, unmarked);
    }
    if (cut_) {
      splitter_.split(text, words);
    }
  }

 private:
  void show_spaces(AlignedText& text, std::vector<ByteRange>& words) const {
    const auto spaces = space_.matches(text.text());
    const size_t growth = replacement_.size() - 1;
    size_t before = 0;  // spaces left of what is looked at
    const auto moved = [&](size_t at) {
      while (before < spaces.size() && spaces[before].begin < at) {
        ++before;
      }
      return at + before * growth;
    };
    for (ByteRange& word : words) {
      word.begin = moved(word.begin);
      word.end = moved(word.end);
    }
    text.replace(spaces, replacement_);
  }

  std::string replacement_;
  PrependScheme scheme_;
  bool cut_;
  SplitPattern space_;
  Splitter splitter_;
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> parts, const std::string& where)
      : parts_(std::move(parts)) {
    for (size_t i = 0; i + 1 < parts_.size(); ++i) {
      check<ModelError>(!parts_[i]->byte_level(),
                        "{}: a ByteLevel that is not the last pre-tokenizer is not supported",
                        where);
    }
  }

  void split(AlignedText& text, std::vector<ByteRange>& words) const override {
    for (const auto& part : parts_) {
      part->split(text, words);
    }
  }

  bool byte_level() const override { return !parts_.empty() && parts_.back()->byte_level(); }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

std::unique_ptr<PreTokenizer> splitter(const std::string& expression, SplitBehavior behavior,
                                       bool invert, const std::string& where) {
  return std::make_unique<Splitter>(SplitPattern::expression(expression, where), behavior, invert);
}

std::unique_ptr<PreTokenizer> read_sequence(Reader& reader) {
  std::vector<Json> list;
  reader.require("pretokenizers", list);
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(
        read_pre_tokenizer(list[i], fmt::format("{}.pretokenizers[{}]", reader.where(), i)));
  }
  return std::make_unique<SequencePreTokenizer>(std::move(parts), reader.where());
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
  return std::make_unique<Splitter>(SplitPattern::read(pattern, reader.where() + ".pattern"),
                                    split_behavior(behavior, reader.where()), invert);
}

std::unique_ptr<PreTokenizer> read_metaspace(Reader& reader) {
  const PrependScheme scheme = read_prepend_scheme(reader);
  bool cut = true;
  reader.read("split", cut);
  return std::make_unique<MetaspacePreTokenizer>(read_replacement(reader), scheme, cut);
}

std::unique_ptr<PreTokenizer> read_by_type(const std::string& type, Reader& reader) {
  if (type == "Sequence") {
    return read_sequence(reader);
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
  if (type == "Digits") {
    bool individual = false;
    reader.read("individual_digits", individual);
    return splitter("\\p{N}", individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous,
                    /*invert=*/false, reader.where());
  }
  if (type == "Whitespace") {
    // Not \w: this pattern's words have the two joiners and no superscripts.
    const std::string word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}";
    return splitter(fmt::format("[{0}]+|[^{0}\\s]+", word), SplitBehavior::kRemoved,
                    /*invert=*/true, reader.where());
  }
  if (type == "WhitespaceSplit") {
    return splitter("\\s", SplitBehavior::kRemoved, /*invert=*/false, reader.where());
  }
  if (type == "Punctuation") {
    std::string behavior = "Isolated";
    reader.read("behavior", behavior);
    return splitter(std::string(kPunctuation), split_behavior(behavior, reader.where()),
                    /*invert=*/false, reader.where());
  }
  fail<ModelError>("{}: the pre-tokenizer \"{}\" is not supported", reader.where(), type);
}

}  // namespace

PrependScheme read_prepend_scheme(JsonReader<ModelError>& reader) {
  std::string name = "always";
  bool add_prefix_space = true;
  const bool named = reader.read("prepend_scheme", name);
  reader.read("add_prefix_space", add_prefix_space);
  if (!add_prefix_space) {
    check<ModelError>(!named || name == "never",
                      "{}: add_prefix_space false and prepend_scheme \"{}\" contradict each other",
                      reader.where(), name);
    return PrependScheme::kNever;
  }
  check<ModelError>(name == "always" || name == "first" || name == "never",
                    "{}: unknown prepend_scheme \"{}\"", reader.where(), name);
  return name == "always"  ? PrependScheme::kAlways
         : name == "first" ? PrependScheme::kFirst
                           : PrependScheme::kNever;
}

std::string read_replacement(JsonReader<ModelError>& reader) {
  std::string replacement = "▁";
  reader.read("replacement", replacement);
  reader.ignore({"str_rep"});
  check<ModelError>(!replacement.empty() && replacement.size() == utf8_length(replacement[0]),
                    "{}: replacement: expected one character, found \"{}\"", reader.where(),
                    replacement);
  return replacement;
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where) {
  Reader reader(json, where);
  std::string type;
  reader.require("type", type);
  std::unique_ptr<PreTokenizer> pre_tokenizer = read_by_type(type, reader);
  reader.finish();
  return pre_tokenizer;
}

}  // namespace peft
