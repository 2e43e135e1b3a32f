// axolotl: its data sets, and what is scored of them.
#include <set>

#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// The format that a type of rows is, or null.
Json format_of(const Json& type) {
  const std::string name = type.is_string() ? type.get<std::string>() : "";
  if (name.starts_with("chat_template") || name.starts_with("sharegpt")) {
    return "chat";
  }
  if (name.starts_with("alpaca")) {
    return "instruct";
  }
  if (name == "input_output") {
    return "segments";
  }
  return name == "completion" || name == "pretrain" ? Json("text") : Json();
}

/// Our names of the columns of one data set.
Json columns_of(const Json& entry) {
  Json columns = Json::object();
  const auto take = [&](const Json& from, const char* key, const char* ours) {
    if (from.contains(key) && !from.at(key).is_null() && from.at(key) != ours) {
      columns[ours] = from.at(key);
    }
  };
  take(entry, "field_messages", "messages");
  take(entry, "field", "text");
  take(entry, "message_field_role", "role");
  take(entry, "message_field_content", "content");
  take(entry, "message_field_training_detail", "train_detail");
  // Without a name for it all usual ones are read, "train" among them.
  if (entry.value("message_field_training", Json()) != "train") {
    take(entry, "message_field_training", "weight");
  }
  take(entry, "field_instruction", "instruction");
  take(entry, "field_input", "input");
  take(entry, "field_output", "output");
  take(entry, "field_system", "system");
  take(entry, "field_tools", "tools");
  const Json mappings = entry.value("message_property_mappings", Json::object());
  take(mappings, "role", "role");
  take(mappings, "content", "content");
  return columns;
}

/// roles: {assistant: [gpt, model]} there is {"roles": {"gpt": "assistant", ...}} here.
Json roles_of(const Json& entry) {
  Json words = Json::object();
  const Json roles = entry.value("roles", Json::object());
  for (const auto& [role, list] : roles.items()) {
    for (const Json& word : list) {
      if (word.is_string() && word != role) {
        words[word.get<std::string>()] = role;
      }
    }
  }
  return words;
}

/// Keys of a data set that are translated, or that ask for nothing beside rows in files.
bool is_known_of_dataset(const std::string& key, const Json& value) {
  static const std::set<std::string> known = {"path",
                                              "data_files",
                                              "type",
                                              "ds_type",
                                              "name",
                                              "field_messages",
                                              "field",
                                              "message_field_role",
                                              "message_field_content",
                                              "message_field_training",
                                              "message_field_training_detail",
                                              "field_instruction",
                                              "field_input",
                                              "field_output",
                                              "field_system",
                                              "field_tools",
                                              "message_property_mappings",
                                              "roles",
                                              "trust_remote_code"};
  return known.count(key) > 0 || value.is_null() ||
         (key == "roles_to_train" && value == Json::array({"assistant"})) ||
         (key == "train_on_eos" && value == "turn") || (key == "split" && value == "train") ||
         (key == "chat_template" && value == "tokenizer_default");
}

void leave_other_keys(const ForeignKey& key, const Json& entry, MigrationWork& work) {
  for (const auto& [name, value] : entry.items()) {
    if (!is_known_of_dataset(name, value)) {
      work.left({key.name + "." + name, value, key.line}, "no key of ours says it for a data set");
    }
  }
}

/// [{path, data_files, type, ...}]: one format and one set of columns for all, so that types which
/// differ are left to what each file's rows look like.
Json as_axolotl_datasets(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  std::set<std::string> types;
  for (const Json& entry : key.value) {
    if (!entry.is_object() || !entry.contains("path")) {
      work.left(key, fmt::format("expected {{path, type}}, found {}", json_excerpt(entry)));
      continue;
    }
    const Json files = entry.value("data_files", Json());
    const ForeignKey part{key.name, files.is_null() ? entry.at("path") : files, key.line};
    const Json found = as_data(part, work);
    for (const Json& name : found.is_array() ? found : Json::array({found})) {
      sources.push_back(name);
    }
    leave_other_keys(key, entry, work);
    const Json type = entry.value("type", Json());
    const Json format = format_of(type);
    if (format == "instruct") {
      work.changed(key, "alpaca rows get the model's chat template here, not Alpaca's own prompt");
    }
    if (!format.is_null()) {
      work.set("data.format", format);
    } else if (!type.is_null()) {
      work.left(key, fmt::format("type {} is not known here; see data.format and data.columns",
                                 json_excerpt(type)));
    }
    Json columns = columns_of(entry);
    if (const Json roles = roles_of(entry); !roles.empty()) {
      columns["roles"] = roles;
    }
    types.insert(format.dump() + columns.dump());
    if (!columns.empty()) {
      work.set("data.columns", columns);
    }
  }
  if (types.size() > 1) {
    work.erase("data.format");
    work.erase("data.columns");
    work.left(key,
              "their types or fields differ, and one data.format holds for all: each file's "
              "shape is read off its first row; see `peft data show`");
  }
  return sources.empty() ? Json() : sources.size() == 1 ? sources[0] : sources;
}

Json as_eval_datasets(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  for (const Json& entry : key.value) {
    if (entry.is_object() && entry.contains("path")) {
      sources.push_back(entry.at("path"));
    }
  }
  work.changed(key, "data.eval: read in the format of data.train");
  return sources;
}

Json as_scored_inputs(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? "all" : "assistant";
}

Json as_axolotl_overflow(const ForeignKey& key, MigrationWork&) {
  return key.value == "raise" ? "error" : key.value == "truncate" ? "truncate" : "drop";
}

Json as_axolotl_template(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "tokenizer_default") {
    return "tokenizer";
  }
  if (key.value == "chatml") {
    return "chatml";
  }
  work.left(key, fmt::format("{}: the model's own chat template is used; write data.chat_template "
                             "for another",
                             json_excerpt(key.value)));
  return nullptr;
}

}  // namespace

std::vector<MigrationRule> axolotl_data_rules() {
  return {{"datasets", "data.train", "", as_axolotl_datasets},
          {"test_datasets", "data.eval", "", as_eval_datasets},
          {"val_set_size", "data.eval_split_ratio", "", as_held_out},
          {"chat_template", "data.chat_template", "", as_axolotl_template},
          {"chat_template_jinja", "data.chat_template"},
          {"train_on_inputs", "data.train_on", "", as_scored_inputs},
          {.key = "roles_to_train",
           .why = "answers of the assistant are scored; give messages a \"weight\" for others",
           .neutral = {Json::array({"assistant"})}},
          {.key = "train_on_eos",
           .why = "the end of each scored answer is scored",
           .neutral = {"turn"}},
          {.key = "special_tokens.eos_token", .why = "the tokenizer's own is used"},
          {.key = "special_tokens.bos_token", .why = "the tokenizer's own is used"},
          {.key = "tokens", .why = "no token is added to the vocabulary"},
          {"sequence_len", "data.max_length"},
          {"excess_length_strategy", "data.overflow", "", as_axolotl_overflow},
          {"sample_packing", "data.packing", "", as_packing},
          {.key = "shuffle_merged_datasets", .ours = "data.shuffle"},
          {.key = "rl", .translate = refuse_value}};
}

}  // namespace peft
