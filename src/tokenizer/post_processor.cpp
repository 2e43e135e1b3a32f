#include "post_processor.h"

#include <algorithm>

#include "vocabulary.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

/// Takes the white space at the ends of byte-level tokens out of their offsets.
class TrimOffsets final : public PostProcessor {
 public:
  explicit TrimOffsets(bool add_prefix_space) : add_prefix_space_(add_prefix_space) {}

  void process(std::vector<FoundToken>& tokens, const std::vector<Margins>& margins,
               bool /*add_special_tokens*/) const override {
    for (size_t i = 0; i < tokens.size() && i < margins.size(); ++i) {
      FoundToken& token = tokens[i];
      int64_t leading = margins[i].leading;
      const int64_t trailing = margins[i].trailing;
      const bool first = i == 0 || token.begin == 0;
      if (first && add_prefix_space_ && leading == 1) {
        leading = 0;  // this space is the one that was added
      }
      token.begin = std::min(token.begin + leading, token.end);
      if (token.end >= trailing) {
        token.end = std::max(token.end - trailing, token.begin);
      }
    }
  }

  bool reads_margins() const override { return true; }

 private:
  bool add_prefix_space_;
};

/// Does nothing: a byte-level post-processor that leaves offsets alone.
class KeepTokens final : public PostProcessor {
 public:
  void process(std::vector<FoundToken>&, const std::vector<Margins>&, bool) const override {}
};

/// Puts special tokens around the text.
class Template final : public PostProcessor {
 public:
  Template(std::vector<int32_t> before, std::vector<int32_t> behind, PairFrame pair)
      : before_(std::move(before)), behind_(std::move(behind)), pair_(std::move(pair)) {}

  PairFrame pair_frame() const override { return pair_; }

  void process(std::vector<FoundToken>& tokens, const std::vector<Margins>& /*margins*/,
               bool add_special_tokens) const override {
    if (!add_special_tokens) {
      return;
    }
    std::vector<FoundToken> all;
    all.reserve(before_.size() + tokens.size() + behind_.size());
    for (const int32_t id : before_) {
      all.push_back({id, 0, 0});
    }
    all.insert(all.end(), tokens.begin(), tokens.end());
    for (const int32_t id : behind_) {
      all.push_back({id, 0, 0});
    }
    tokens = std::move(all);
  }

 private:
  std::vector<int32_t> before_;
  std::vector<int32_t> behind_;
  PairFrame pair_;
};

class SequencePostProcessor final : public PostProcessor {
 public:
  explicit SequencePostProcessor(std::vector<std::unique_ptr<PostProcessor>> parts)
      : parts_(std::move(parts)) {}

  void process(std::vector<FoundToken>& tokens, const std::vector<Margins>& margins,
               bool add_special_tokens) const override {
    for (const auto& part : parts_) {
      part->process(tokens, margins, add_special_tokens);
    }
  }

  /// That of the last part that puts something around a text.
  PairFrame pair_frame() const override {
    PairFrame last = PostProcessor::pair_frame();
    for (const auto& part : parts_) {
      PairFrame frame = part->pair_frame();
      if (!frame.before.empty() || !frame.between.empty() || !frame.behind.empty()) {
        last = std::move(frame);
      }
    }
    return last;
  }

  bool reads_margins() const override {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const auto& part) { return part->reads_margins(); });
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

std::vector<int32_t> read_ids(const Json& special_tokens, const std::string& name,
                              const std::string& where) {
  check<ModelError>(special_tokens.is_object() && special_tokens.contains(name),
                    "{}: \"{}\" is not among its special_tokens", where, name);
  Reader reader(special_tokens.at(name), where + ".special_tokens." + name);
  std::vector<int32_t> ids;
  reader.require("ids", ids);
  reader.ignore({"id", "tokens"});
  reader.finish();
  for (const int32_t id : ids) {
    check<ModelError>(id >= 0 && id < kLargestVocabulary, "{}: the id {} is out of range",
                      reader.where(), id);
  }
  return ids;
}

/// "pair" of a template; a template without one puts texts side by side.
PairFrame read_pair_frame(const std::vector<Json>& pieces, const Json& special_tokens,
                          const std::string& where) {
  PairFrame frame{{}, {}, {}, pieces.empty() ? std::optional<size_t>(0) : std::nullopt};
  std::vector<int32_t>* const sides[] = {&frame.before, &frame.between, &frame.behind};
  size_t sequences = 0;
  for (const Json& piece : pieces) {
    check<ModelError>(piece.is_object() && piece.size() == 1 && piece.begin()->is_object(),
                      "{}: pair: expected a piece of a template, found {}", where,
                      json_excerpt(piece));
    Reader content(*piece.begin(), where + ".pair");
    std::string id;
    int64_t type = 0;
    content.require("id", id);
    content.read("type_id", type);
    if (type == 1 && !frame.second_type && sequences == 1) {
      frame.second_type = frame.between.size();
    }
    if (piece.begin().key() == "Sequence") {
      check<ModelError>(sequences < 2 && id == (sequences == 0 ? "A" : "B"),
                        "{}: pair: expected the sequences A and B once each", where);
      ++sequences;
    } else {
      const std::vector<int32_t> ids = read_ids(special_tokens, id, where);
      sides[sequences]->insert(sides[sequences]->end(), ids.begin(), ids.end());
    }
  }
  check<ModelError>(pieces.empty() || sequences == 2,
                    "{}: pair: expected the sequences A and B once each", where);
  return frame;
}

std::unique_ptr<PostProcessor> read_template(Reader& reader) {
  std::vector<Json> pieces;
  Json special_tokens;
  reader.require("single", pieces);
  reader.require("special_tokens", special_tokens);
  std::vector<Json> pair;
  reader.read("pair", pair);
  std::vector<int32_t> sides[2];
  size_t sequences = 0;
  for (const Json& piece : pieces) {
    check<ModelError>(piece.is_object() && piece.size() == 1 && piece.begin()->is_object(),
                      "{}: single: expected a piece of a template, found {}", reader.where(),
                      json_excerpt(piece));
    Reader content(*piece.begin(), reader.where() + ".single");
    std::string id;
    content.require("id", id);
    if (piece.begin().key() == "Sequence") {
      ++sequences;
      check<ModelError>(sequences == 1 && id == "A",
                        "{}: single: expected the sequence A exactly once", reader.where());
    } else {
      check<ModelError>(piece.begin().key() == "SpecialToken",
                        "{}: single: unknown kind of piece \"{}\"", reader.where(),
                        piece.begin().key());
      const std::vector<int32_t> ids = read_ids(special_tokens, id, reader.where());
      sides[sequences].insert(sides[sequences].end(), ids.begin(), ids.end());
    }
  }
  check<ModelError>(sequences == 1, "{}: single: expected the sequence A exactly once",
                    reader.where());
  return std::make_unique<Template>(sides[0], sides[1],
                                    read_pair_frame(pair, special_tokens, reader.where()));
}

std::unique_ptr<PostProcessor> read_post_processors(Reader& reader) {
  std::vector<Json> list;
  reader.require("processors", list);
  std::vector<std::unique_ptr<PostProcessor>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(
        read_post_processor(list[i], fmt::format("{}.processors[{}]", reader.where(), i)));
    check<ModelError>(i == 0 || !parts.back()->reads_margins(),
                      "{}: a ByteLevel that is not the first post-processor is not supported",
                      reader.where());
  }
  return std::make_unique<SequencePostProcessor>(std::move(parts));
}

/// "cls" or "sep" of BERT's and RoBERTa's: [token, id].
int32_t read_pair(Reader& reader, const char* key) {
  Json pair;
  reader.require(key, pair);
  check<ModelError>(pair.is_array() && pair.size() == 2 && pair[0].is_string() &&
                        pair[1].is_number_integer() && pair[1] >= 0 && pair[1] < kLargestVocabulary,
                    "{}: {}: expected [token, id], found {}", reader.where(), key,
                    json_excerpt(pair));
  return pair[1].get<int32_t>();
}

/// `is_roberta`: two separators between two texts, and one token type.
std::unique_ptr<PostProcessor> read_cls_and_sep(Reader& reader, bool is_roberta) {
  const std::vector<int32_t> cls = {read_pair(reader, "cls")};
  const std::vector<int32_t> sep = {read_pair(reader, "sep")};
  PairFrame pair{cls, sep, sep, 1};
  if (is_roberta) {
    pair.between.push_back(sep[0]);
    pair.second_type.reset();
  }
  return std::make_unique<Template>(cls, sep, std::move(pair));
}

std::unique_ptr<PostProcessor> read_roberta(Reader& reader) {
  bool add_prefix_space = true;
  bool trim_offsets = true;
  reader.read("add_prefix_space", add_prefix_space);
  reader.read("trim_offsets", trim_offsets);
  std::vector<std::unique_ptr<PostProcessor>> parts;
  if (trim_offsets) {
    parts.push_back(std::make_unique<TrimOffsets>(add_prefix_space));
  }
  parts.push_back(read_cls_and_sep(reader, /*is_roberta=*/true));
  return std::make_unique<SequencePostProcessor>(std::move(parts));
}

std::unique_ptr<PostProcessor> read_typed_post_processor(const std::string& type, Reader& reader) {
  if (type == "Sequence") {
    return read_post_processors(reader);
  }
  if (type == "TemplateProcessing") {
    return read_template(reader);
  }
  if (type == "BertProcessing") {
    return read_cls_and_sep(reader, /*is_roberta=*/false);
  }
  if (type == "RobertaProcessing") {
    return read_roberta(reader);
  }
  if (type == "ByteLevel") {
    bool add_prefix_space = true;
    bool trim_offsets = true;
    reader.read("add_prefix_space", add_prefix_space);
    reader.read("trim_offsets", trim_offsets);
    reader.ignore({"use_regex"});
    if (trim_offsets) {
      return std::make_unique<TrimOffsets>(add_prefix_space);
    }
    return std::make_unique<KeepTokens>();
  }
  fail<ModelError>("{}: the post-processor \"{}\" is not supported", reader.where(), type);
}

}  // namespace

std::unique_ptr<PostProcessor> read_post_processor(const Json& json, const std::string& where) {
  Reader reader(json, where);
  std::string type;
  reader.require("type", type);
  std::unique_ptr<PostProcessor> processor = read_typed_post_processor(type, reader);
  reader.finish();
  return processor;
}

}  // namespace peft
