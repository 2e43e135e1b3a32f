#include "peft/interchange/gguf_vocabulary.h"

#include <cmath>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kLargestVocabulary = 4'194'304;

using Reader = JsonReader<ModelError>;

void read_tokens(Reader& reader, int64_t rows, GgufVocabulary& vocabulary) {
  reader.require("tokenizer.ggml.tokens", vocabulary.tokens);
  const auto count = static_cast<int64_t>(vocabulary.tokens.size());
  check<ModelError>(count > 0 && count <= kLargestVocabulary,
                    "{}: tokenizer.ggml.tokens: expected 1 to {} tokens, found {}", reader.where(),
                    kLargestVocabulary, count);
  check<ModelError>(count <= rows, "{}: {} tokens, but only {} embedding rows", reader.where(),
                    count, rows);
  for (int32_t id = 0; id < count; ++id) {
    const auto [same, is_new] = vocabulary.ids.emplace(vocabulary.token(id), id);
    check<ModelError>(is_new, "{}: tokens {} and {} are both \"{}\"", reader.where(), same->second,
                      id, escaped(vocabulary.token(id)));
  }
}

void read_kinds(Reader& reader, GgufVocabulary& vocabulary) {
  std::vector<int32_t> kinds(vocabulary.tokens.size(), 1);
  reader.read("tokenizer.ggml.token_type", kinds);
  check<ModelError>(kinds.size() == vocabulary.tokens.size(),
                    "{}: tokenizer.ggml.token_type: expected {} entries, found {}", reader.where(),
                    vocabulary.tokens.size(), kinds.size());
  for (size_t id = 0; id < kinds.size(); ++id) {
    check<ModelError>(kinds[id] >= 1 && kinds[id] <= 6,
                      "{}: tokenizer.ggml.token_type: token {} has the unknown type {}",
                      reader.where(), id, kinds[id]);
    vocabulary.kinds.push_back(static_cast<GgufTokenKind>(kinds[id]));
  }
}

void read_special_ids(Reader& reader, GgufVocabulary& vocabulary) {
  const auto read = [&](const std::string& name, std::optional<int32_t>& id) {
    const std::string key = "tokenizer.ggml." + name + "_token_id";
    int64_t value = 0;
    if (!reader.read(key, value)) {
      return;
    }
    check<ModelError>(value >= 0 && value < static_cast<int64_t>(vocabulary.tokens.size()),
                      "{}: {}: token {} is outside the vocabulary of {}", reader.where(), key,
                      value, vocabulary.tokens.size());
    id = static_cast<int32_t>(value);
  };
  read("bos", vocabulary.bos);
  read("eos", vocabulary.eos);
  read("unknown", vocabulary.unk);
  read("padding", vocabulary.pad);
  read("eot", vocabulary.eot);
}

/// Both halves and the result of every merge must be tokens, or BPE would look for them in vain.
void read_merges(Reader& reader, GgufVocabulary& vocabulary) {
  reader.require("tokenizer.ggml.merges", vocabulary.merges);
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const std::vector<std::string> pair = split(vocabulary.merges[i], ' ');
    check<ModelError>(pair.size() == 2, "{}: tokenizer.ggml.merges: entry {}, \"{}\", is no pair",
                      reader.where(), i, escaped(vocabulary.merges[i]));
    for (const std::string& token : {pair[0], pair[1], pair[0] + pair[1]}) {
      check<ModelError>(vocabulary.ids.count(token) > 0,
                        "{}: tokenizer.ggml.merges: entry {}, \"{}\", needs the token \"{}\", "
                        "which the vocabulary lacks",
                        reader.where(), i, escaped(vocabulary.merges[i]), escaped(token));
    }
  }
}

/// Sentencepiece's own data: scores, and normalisations that only other models than llama use.
void read_pieces(Reader& reader, GgufVocabulary& vocabulary) {
  reader.require("tokenizer.ggml.scores", vocabulary.scores);
  check<ModelError>(vocabulary.scores.size() == vocabulary.tokens.size(),
                    "{}: tokenizer.ggml.scores: expected {} entries, found {}", reader.where(),
                    vocabulary.tokens.size(), vocabulary.scores.size());
  for (size_t id = 0; id < vocabulary.scores.size(); ++id) {
    check<ModelError>(std::isfinite(vocabulary.scores[id]),
                      "{}: tokenizer.ggml.scores: the score of token {} is not finite",
                      reader.where(), id);
  }
  bool remove_whitespace = false;
  Json charsmap = Json::array();
  reader.read("tokenizer.ggml.remove_extra_whitespaces", remove_whitespace);
  reader.read("tokenizer.ggml.precompiled_charsmap", charsmap);
  check<ModelError>(!remove_whitespace && charsmap.empty(),
                    "{}: tokenizer.ggml: sentencepiece normalisation is not supported",
                    reader.where());
}

void read_flag(Reader& reader, const std::string& key, std::optional<bool>& flag) {
  bool value = false;
  if (reader.read(key, value)) {
    flag = value;
  }
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const GgufFile& file, int64_t rows) {
  Reader reader(file.values(), file.path().string());
  GgufVocabulary vocabulary;
  vocabulary.pre = "default";
  reader.require("tokenizer.ggml.model", vocabulary.model);
  reader.read("tokenizer.ggml.pre", vocabulary.pre);
  check<ModelError>(vocabulary.model == "gpt2" || vocabulary.model == "llama",
                    "{}: tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found \"{}\"",
                    reader.where(), escaped(vocabulary.model));
  read_tokens(reader, rows, vocabulary);
  read_kinds(reader, vocabulary);
  read_special_ids(reader, vocabulary);
  if (vocabulary.model == "gpt2") {
    read_merges(reader, vocabulary);
  } else {
    read_pieces(reader, vocabulary);
  }
  read_flag(reader, "tokenizer.ggml.add_bos_token", vocabulary.add_bos);
  read_flag(reader, "tokenizer.ggml.add_eos_token", vocabulary.add_eos);
  read_flag(reader, "tokenizer.ggml.add_space_prefix", vocabulary.add_space_prefix);
  reader.read("tokenizer.chat_template", vocabulary.chat_template);
  return vocabulary;
}

}  // namespace peft
