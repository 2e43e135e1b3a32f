#include "vocabulary_files.h"

#include <utility>

#include "peft/util/error.h"
#include "peft/util/json.h"
#include "peft/util/text.h"
#include "tokenizer_json.h"

namespace peft {
namespace {

constexpr size_t kLargestVocabularyFile = size_t{256} << 20;

constexpr const char* kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

void name_if_none(std::string& token, const char* name) {
  if (token.empty()) {
    token = name;
  }
}

/// Lines without their ends; what follows the last one is a line if there is something.
std::vector<std::string> read_lines(const std::filesystem::path& file) {
  std::vector<std::string> lines = split(read_text<ModelError>(file, kLargestVocabularyFile), '\n');
  if (!lines.empty() && lines.back().empty()) {
    lines.pop_back();
  }
  for (std::string& line : lines) {
    if (line.ends_with('\r')) {
      line.pop_back();
    }
  }
  return lines;
}

int32_t id_of(const Json& vocabulary, const std::string& token, const std::string& where) {
  const auto found = vocabulary.find(token);
  check<ModelError>(found != vocabulary.end() && found->is_number_integer(),
                    "{}: the special token \"{}\" is not in it", where, escaped(token));
  return found->get<int32_t>();
}

/// Puts two special tokens around the text.
Json around(const char* type, const Json& vocabulary, const TokenizerConfig& config,
            const std::string& where) {
  return {{"type", type},
          {"sep", Json::array({config.sep, id_of(vocabulary, config.sep, where)})},
          {"cls", Json::array({config.cls, id_of(vocabulary, config.cls, where)})}};
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

/// The pairs of merges.txt: two tokens a line, under a first line that may name the version.
Json read_merges(const std::filesystem::path& file) {
  Json merges = Json::array();
  std::vector<std::string> lines = read_lines(file);
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool is_comment = i == 0 && lines[i].starts_with("#version");
    if (!is_comment && !lines[i].empty()) {
      merges.push_back(std::move(lines[i]));
    }
  }
  return merges;
}

enum class ByteLevelClass { kGpt2, kRoberta, kQwen2 };

ByteLevelClass byte_level_class(const TokenizerConfig& config, const std::string& where) {
  std::string name = config.tokenizer_class;
  if (name.ends_with("Fast")) {
    name.resize(name.size() - 4);
  }
  if (name.empty() || name == "GPT2Tokenizer") {
    return ByteLevelClass::kGpt2;
  }
  if (name == "RobertaTokenizer" || name == "BartTokenizer" || name == "LongformerTokenizer") {
    return ByteLevelClass::kRoberta;
  }
  if (name == "Qwen2Tokenizer") {
    return ByteLevelClass::kQwen2;
  }
  fail<ModelError>(
      "{}: vocab.json and merges.txt of the tokenizer class \"{}\" are not supported; "
      "tokenizer.json is: load the tokenizer with transformers and save it",
      where, escaped(config.tokenizer_class));
}

void name_special_tokens(TokenizerConfig& config, ByteLevelClass kind) {
  if (kind == ByteLevelClass::kRoberta) {
    name_if_none(config.bos, "<s>");
    name_if_none(config.eos, "</s>");
    name_if_none(config.unk, "<unk>");
    name_if_none(config.pad, "<pad>");
    name_if_none(config.cls, "<s>");
    name_if_none(config.sep, "</s>");
    name_if_none(config.mask, "<mask>");
    return;
  }
  name_if_none(config.eos, "<|endoftext|>");
  name_if_none(config.unk, "<|endoftext|>");
  if (kind == ByteLevelClass::kGpt2) {
    name_if_none(config.bos, "<|endoftext|>");
  } else {
    name_if_none(config.pad, "<|endoftext|>");
  }
}

Json pre_tokenizer(ByteLevelClass kind, bool add_prefix_space) {
  if (kind != ByteLevelClass::kQwen2) {
    return byte_level(add_prefix_space, /*use_regex=*/true);
  }
  const Json words = {{"type", "Split"},
                      {"pattern", {{"Regex", kQwen2Words}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return {{"type", "Sequence"},
          {"pretokenizers", Json::array({words, byte_level(add_prefix_space, false)})}};
}

}  // namespace

std::unique_ptr<Tokenizer> load_word_pieces(const std::filesystem::path& vocabulary,
                                            const TokenizerConfig& config) {
  const std::string where = vocabulary.string();
  TokenizerConfig named = config;
  name_if_none(named.unk, "[UNK]");
  name_if_none(named.pad, "[PAD]");
  name_if_none(named.cls, "[CLS]");
  name_if_none(named.sep, "[SEP]");
  name_if_none(named.mask, "[MASK]");
  Json ids = Json::object();
  // Straight to the end: looking every key up in an ordered object takes quadratic time.
  auto& members = ids.get_ref<Json::object_t&>();
  for (std::string& line : read_lines(vocabulary)) {
    const auto id = static_cast<int64_t>(members.size());
    members.emplace_back(std::move(line), id);
  }
  const bool lower = config.lower_case.value_or(true);
  Json json = {{"normalizer",
                {{"type", "BertNormalizer"},
                 {"clean_text", true},
                 {"handle_chinese_chars", config.chinese_characters.value_or(true)},
                 {"strip_accents", config.strip_accents.value_or(lower)},
                 {"lowercase", lower}}},
               {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
               {"post_processor", around("BertProcessing", ids, named, where)},
               {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}}};
  json["model"] = {{"type", "WordPiece"}, {"unk_token", named.unk}};
  json["model"]["vocab"] = std::move(ids);
  return make_tokenizer(json, named, where);
}

std::unique_ptr<Tokenizer> load_byte_pairs(const std::filesystem::path& vocabulary,
                                           const std::filesystem::path& merges,
                                           const TokenizerConfig& config) {
  const std::string where = vocabulary.string();
  const ByteLevelClass kind = byte_level_class(config, where);
  TokenizerConfig named = config;
  name_special_tokens(named, kind);
  Json ids = read_json<ModelError>(vocabulary, {kLargestVocabularyFile, 4});
  check<ModelError>(ids.is_object(), "{}: expected an object, found {}", where, json_kind(ids));
  const bool add_prefix_space = config.add_prefix_space.value_or(false);
  Json json = {{"pre_tokenizer", pre_tokenizer(kind, add_prefix_space)},
               {"decoder", byte_level(/*add_prefix_space=*/true, /*use_regex=*/true)}};
  if (kind == ByteLevelClass::kQwen2) {
    json["normalizer"] = {{"type", "NFC"}};
  }
  if (kind == ByteLevelClass::kRoberta) {
    json["post_processor"] = around("RobertaProcessing", ids, named, where);
    json["post_processor"]["add_prefix_space"] = add_prefix_space;
    json["added_tokens"] = Json::array({{{"id", id_of(ids, named.mask, where)},
                                         {"content", named.mask},
                                         {"lstrip", true},
                                         {"special", true}}});
  }
  json["model"] = {{"type", "BPE"}, {"merges", read_merges(merges)}};
  json["model"]["vocab"] = std::move(ids);
  return make_tokenizer(json, named, where);
}

}  // namespace peft
