#include "token_model.h"

#include "bpe.h"
#include "peft/util/error.h"
#include "peft/util/text.h"
#include "unigram.h"
#include "word_level.h"
#include "word_piece.h"

namespace peft {
namespace {

/// Files from before the types were written say by their members what they hold.
std::string type_of(const Json& model, const std::string& where) {
  const auto type = model.find("type");
  if (type == model.end()) {
    return model.contains("merges")                      ? "BPE"
           : model.contains("continuing_subword_prefix") ? "WordPiece"
           : model.contains("unk_id")                    ? "Unigram"
                                                         : "WordLevel";
  }
  check<ModelError>(type->is_string(), "{}: type: expected a string, found {}", where,
                    json_excerpt(*type));
  return type->get<std::string>();
}

}  // namespace

std::unique_ptr<TokenModel> read_token_model(const Json& model, bool byte_level,
                                             const std::string& where) {
  check<ModelError>(model.is_object(), "{}: expected an object, found {}", where, json_kind(model));
  const std::string type = type_of(model, where);
  if (type == "BPE") {
    return std::make_unique<BytePairModel>(model, byte_level, where);
  }
  const bool known = type == "WordPiece" || type == "Unigram" || type == "WordLevel";
  check<ModelError>(known, "{}: the type \"{}\" is not supported", where, escaped(type));
  check<ModelError>(!byte_level, "{}: {} with a byte-level pre-tokenizer is not supported", where,
                    type);
  if (type == "WordPiece") {
    return std::make_unique<WordPieceModel>(model, where);
  }
  if (type == "Unigram") {
    return std::make_unique<UnigramModel>(model, where);
  }
  return std::make_unique<WordLevelModel>(model, where);
}

void read_vocabulary(const Json& json, Vocabulary& vocabulary, const std::string& where) {
  check<ModelError>(json.is_object(), "{}: expected an object, found {}", where, json_kind(json));
  vocabulary.reserve(json.size(), 8 * json.size());
  for (const auto& [token, id] : json.get_ref<const Json::object_t&>()) {
    if (!id.is_number_integer()) {
      fail<ModelError>("{}: \"{}\": expected an id, found {}", where, escaped(token),
                       json_excerpt(id));
    }
    vocabulary.add(token, id.get<int64_t>(), where);
  }
}

int32_t require_unknown_token(JsonReader<ModelError>& reader, const Vocabulary& vocabulary) {
  std::string unknown;
  reader.require("unk_token", unknown);
  const std::optional<int32_t> id = vocabulary.find(unknown);
  check<ModelError>(id.has_value(), "{}: unk_token: \"{}\" is not in the vocabulary",
                    reader.where(), escaped(unknown));
  return *id;
}

}  // namespace peft
