#include "metaspace.h"

#include "peft/util/text.h"
#include "splitters.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

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
  PatternSplitter splitter_;
};

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

std::unique_ptr<PreTokenizer> read_metaspace(JsonReader<ModelError>& reader) {
  const PrependScheme scheme = read_prepend_scheme(reader);
  bool cut = true;
  reader.read("split", cut);
  return std::make_unique<MetaspacePreTokenizer>(read_replacement(reader), scheme, cut);
}

}  // namespace peft
