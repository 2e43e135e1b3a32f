#include "peft/interchange/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "peft/tokenizer/sentencepiece_merges.h"
#include "peft/util/error.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kSpace = "\u2581";  // sentencepiece's visible space

// Words of Llama 3 (and cl100k) and Qwen 2, which differ in how many digits stand together.
constexpr const char* kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// How text is split before byte-level BPE.
enum class Splitting { kGpt2, kGptNeox, kDigitsThenGpt2, kLlama3, kCl100k, kQwen2 };

struct PreName {
  const char* name;
  Splitting splitting;
};

constexpr std::array<PreName, 14> kPreNames = {{{"default", Splitting::kGpt2},
                                                {"gpt-2", Splitting::kGpt2},
                                                {"phi-2", Splitting::kGpt2},
                                                {"olmo", Splitting::kGptNeox},
                                                {"mpt", Splitting::kGptNeox},
                                                {"smollm", Splitting::kDigitsThenGpt2},
                                                {"starcoder", Splitting::kDigitsThenGpt2},
                                                {"refact", Splitting::kDigitsThenGpt2},
                                                {"llama-bpe", Splitting::kLlama3},
                                                {"llama3", Splitting::kLlama3},
                                                {"llama-v3", Splitting::kLlama3},
                                                {"dbrx", Splitting::kCl100k},
                                                {"qwen2", Splitting::kQwen2},
                                                {"deepseek-r1-qwen", Splitting::kQwen2}}};

Splitting splitting_of(const GgufVocabulary& vocabulary, const std::string& where) {
  const auto* const found =
      std::find_if(kPreNames.begin(), kPreNames.end(),
                   [&](const PreName& entry) { return vocabulary.pre == entry.name; });
  if (found == kPreNames.end()) {
    std::vector<std::string> known;
    for (const PreName& entry : kPreNames) {
      known.emplace_back(entry.name);
    }
    fail<ModelError>("{}: tokenizer.ggml.pre: unknown splitting \"{}\"; known are {}", where,
                     escaped(vocabulary.pre), join(known, ", "));
  }
  if (vocabulary.pre == "default") {
    log_warning("{}: the file does not say how its tokenizer splits words; GPT-2's way is assumed",
                where);
  }
  return found->splitting;
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json sequence(const char* member, Json parts) {
  return {{"type", "Sequence"}, {member, std::move(parts)}};
}

Json pre_tokenizer(Splitting splitting) {
  const auto words = [](const char* pattern) {
    return Json{{"type", "Split"},
                {"pattern", {{"Regex", pattern}}},
                {"behavior", "Isolated"},
                {"invert", false}};
  };
  switch (splitting) {
    case Splitting::kGpt2:
    case Splitting::kGptNeox:
      return byte_level(/*use_regex=*/true);
    case Splitting::kDigitsThenGpt2:
      return sequence("pretokenizers",
                      Json::array({{{"type", "Digits"}, {"individual_digits", true}},
                                   byte_level(/*use_regex=*/true)}));
    case Splitting::kLlama3:
    case Splitting::kCl100k:
      return sequence("pretokenizers", Json::array({words(kLlama3Words), byte_level(false)}));
    case Splitting::kQwen2:
      return sequence("pretokenizers", Json::array({words(kQwen2Words), byte_level(false)}));
  }
  return nullptr;
}

/// Tokens that are found in the text before it is split.
Json added_tokens(const GgufVocabulary& vocabulary) {
  Json list = Json::array();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const GgufTokenKind kind = vocabulary.kinds[id];
    // GPT-2's vocabularies mark no token unknown in its own right; sentencepiece's does.
    const bool special = kind == GgufTokenKind::kControl || kind == GgufTokenKind::kUnknown;
    if (special || kind == GgufTokenKind::kUserDefined) {
      list.push_back({{"id", id},
                      {"content", vocabulary.tokens[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", special}});
    }
  }
  return list;
}

bool adds_bos(const GgufVocabulary& vocabulary) {
  // What llama.cpp assumes where the file is silent.
  const bool is_usual = vocabulary.model == "llama" || vocabulary.pre == "llama-bpe" ||
                        vocabulary.pre == "llama3" || vocabulary.pre == "llama-v3";
  return vocabulary.bos.has_value() && vocabulary.add_bos.value_or(is_usual);
}

bool adds_eos(const GgufVocabulary& vocabulary) {
  return vocabulary.eos.has_value() && vocabulary.add_eos.value_or(false);
}

/// Puts BOS before and EOS behind every text, where the model wants them; null where it does not.
Json special_token_template(const GgufVocabulary& vocabulary) {
  if (!adds_bos(vocabulary) && !adds_eos(vocabulary)) {
    return nullptr;
  }
  Json single = Json::array();
  Json pair = Json::array();
  Json special = Json::object();
  const auto add_special = [&](Json& list, int32_t id, int type_id) {
    const std::string& token = vocabulary.token(id);
    list.push_back({{"SpecialToken", {{"id", token}, {"type_id", type_id}}}});
    special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
  };
  const auto add_text = [&](Json& list, const char* name, int type_id) {
    if (adds_bos(vocabulary)) {
      add_special(list, *vocabulary.bos, type_id);
    }
    list.push_back({{"Sequence", {{"id", name}, {"type_id", type_id}}}});
    if (adds_eos(vocabulary)) {
      add_special(list, *vocabulary.eos, type_id);
    }
  };
  add_text(single, "A", 0);
  add_text(pair, "A", 0);
  add_text(pair, "B", 1);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

Json vocabulary_object(const GgufVocabulary& vocabulary) {
  Json object = Json::object();
  // Straight to the end: looking every key up in an ordered object takes quadratic time.
  auto& members = object.get_ref<Json::object_t&>();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    members.emplace_back(vocabulary.tokens[id], id);
  }
  return object;
}

Json bpe_model(const GgufVocabulary& vocabulary, Json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocabulary_object(vocabulary)},
          {"merges", std::move(merges)}};
}

Json empty_tokenizer(const GgufVocabulary& vocabulary) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens(vocabulary)},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"post_processor", special_token_template(vocabulary)},
          {"decoder", nullptr}};
}

Json byte_level_bpe(const GgufVocabulary& vocabulary, const std::string& where) {
  const Splitting splitting = splitting_of(vocabulary, where);
  Json tokenizer = empty_tokenizer(vocabulary);
  if (splitting == Splitting::kQwen2 || splitting == Splitting::kGptNeox) {
    tokenizer["normalizer"] = {{"type", "NFC"}};
  }
  tokenizer["pre_tokenizer"] = pre_tokenizer(splitting);
  tokenizer["decoder"] = byte_level(/*use_regex=*/true);
  tokenizer["model"] = bpe_model(vocabulary, vocabulary.merges);
  tokenizer["model"]["ignore_merges"] = splitting == Splitting::kLlama3;
  return tokenizer;
}

/// The merges as "left right".
Json sentencepiece_merges(const GgufVocabulary& vocabulary) {
  std::vector<bool> normal;
  for (const GgufTokenKind kind : vocabulary.kinds) {
    normal.push_back(kind == GgufTokenKind::kNormal);
  }
  Json merges = Json::array();
  for (const auto& [left, right] :
       merges_from_scores(vocabulary.tokens, vocabulary.scores, normal)) {
    merges.push_back(vocabulary.token(left) + " " + vocabulary.token(right));
  }
  return merges;
}

Json sentencepiece_bpe(const GgufVocabulary& vocabulary) {
  const bool with_prefix = vocabulary.add_space_prefix.value_or(true);
  Json normalizers = Json::array();
  Json decoders =
      Json::array({{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (with_prefix) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}});
  Json tokenizer = empty_tokenizer(vocabulary);
  tokenizer["normalizer"] = sequence("normalizers", std::move(normalizers));
  tokenizer["decoder"] = sequence("decoders", std::move(decoders));
  tokenizer["model"] = bpe_model(vocabulary, sentencepiece_merges(vocabulary));
  tokenizer["model"]["fuse_unk"] = true;
  tokenizer["model"]["byte_fallback"] = true;
  if (vocabulary.unk) {
    tokenizer["model"]["unk_token"] = vocabulary.token(*vocabulary.unk);
  }
  return tokenizer;
}

}  // namespace

Json tokenizer_json(const GgufVocabulary& vocabulary, const std::string& where) {
  return vocabulary.model == "gpt2" ? byte_level_bpe(vocabulary, where)
                                    : sentencepiece_bpe(vocabulary);
}

Json tokenizer_config(const GgufVocabulary& vocabulary, int64_t positions) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"model_max_length", positions},
                 {"add_bos_token", adds_bos(vocabulary)},
                 {"add_eos_token", adds_eos(vocabulary)},
                 {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, const std::optional<int32_t>& id) {
    if (id) {
      config[key] = vocabulary.token(*id);
    }
  };
  name("bos_token", vocabulary.bos);
  name("eos_token", vocabulary.eos);
  name("unk_token", vocabulary.unk);
  name("pad_token", vocabulary.pad);
  if (!vocabulary.chat_template.empty()) {
    config["chat_template"] = vocabulary.chat_template;
  }
  return config;
}

Json generation_config(const GgufVocabulary& vocabulary) {
  Json config = Json::object();
  if (vocabulary.bos) {
    config["bos_token_id"] = *vocabulary.bos;
  }
  if (vocabulary.eos && vocabulary.eot && *vocabulary.eos != *vocabulary.eot) {
    config["eos_token_id"] = {*vocabulary.eos, *vocabulary.eot};
  } else if (vocabulary.eos) {
    config["eos_token_id"] = *vocabulary.eos;
  }
  if (vocabulary.pad) {
    config["pad_token_id"] = *vocabulary.pad;
  }
  return config;
}

}  // namespace peft
