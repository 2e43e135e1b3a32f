#include "peft/cli/model_text.h"

#include <algorithm>

#include "peft/config/model_family.h"

namespace peft {
namespace {

void add_stop_id(const Json& id, std::vector<int32_t>& ids) {
  if (id.is_array()) {
    for (const Json& each : id) {
      add_stop_id(each, ids);
    }
  } else if (id.is_number_integer()) {
    const auto value = id.get<int32_t>();
    if (std::find(ids.begin(), ids.end(), value) == ids.end()) {
      ids.push_back(value);
    }
  }
}

/// A JSON file of the folder, or an empty object when it has none.
Json optional_file(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? read_json<ModelError>(file) : Json::object();
}

}  // namespace

ModelText read_model_text(const std::filesystem::path& folder, const std::string& chat_template) {
  check<ModelError>(std::filesystem::is_directory(folder), "{}: no such model folder",
                    folder.string());
  ModelText text;
  text.tokenizer = load_tokenizer_if_any(folder);
  text.tokenizer_hash = tokenizer_hash(folder);
  text.chat_template = load_chat_template(chat_template, folder, text.tokenizer->special());
  text.config = optional_file(folder / "config.json");
  for (const Json& json : {optional_file(folder / "generation_config.json"), text.config}) {
    add_stop_id(json.value("eos_token_id", Json()), text.stop_ids);
  }
  if (text.tokenizer->special().eos) {
    add_stop_id(*text.tokenizer->special().eos, text.stop_ids);
  }
  for (const char* key : {"max_position_embeddings", "n_positions"}) {
    if (const Json positions = text.config.value(key, Json()); positions.is_number_integer()) {
      text.positions = positions.get<int64_t>() - positions_before_text(text.config);
    }
  }
  return text;
}

}  // namespace peft
