#include "word_level.h"

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {

WordLevelModel::WordLevelModel(const Json& model, const std::string& where) {
  JsonReader<ModelError> reader(model, where);
  std::string unknown;
  reader.ignore({"type", "vocab"});
  reader.require("unk_token", unknown);
  reader.finish();
  check<ModelError>(reader.has("vocab"), "{}: expected \"vocab\"", where);
  read_vocabulary(model.at("vocab"), vocabulary_, where + ".vocab");
  unknown_ = vocabulary_.find(unknown);
}

void WordLevelModel::encode(std::string_view word, std::vector<Symbol>& symbols) const {
  const std::optional<int32_t> id = vocabulary_.find(word);
  check<DataError>(id.has_value() || unknown_.has_value(),
                   "the tokenizer has no token for the word \"{}\" and none for unknown words",
                   escaped(word.substr(0, 64)));
  symbols.push_back({id ? *id : *unknown_, static_cast<uint32_t>(word.size())});
}

}  // namespace peft
