#include "special_tokens.h"

#include <algorithm>
#include <charconv>

#include "peft/io/hf_directory.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// A config may hold a list of added tokens, and "no limit" as an integer of any size.
constexpr JsonLimits kLimits{.bytes = size_t{16} << 20, .depth = 64, .huge_integers = true};

/// A special token is a text, or an object that holds it as "content".
std::string read_token(const Json& value, const std::string& where) {
  if (value.is_null()) {
    return "";
  }
  const Json* text = &value;
  if (value.is_object() && value.contains("content")) {
    text = &value.at("content");
  }
  check<ModelError>(text->is_string(),
                    "{}: expected a token or an object with its content, found {}", where,
                    json_excerpt(value));
  return text->get<std::string>();
}

void read_names(const Json& json, const std::string& where, TokenizerConfig& config) {
  const auto fill = [&](const char* key, std::string& token) {
    if (token.empty() && json.contains(key)) {
      token = read_token(json.at(key), fmt::format("{}: {}", where, key));
    }
  };
  fill("bos_token", config.bos);
  fill("eos_token", config.eos);
  fill("unk_token", config.unk);
  fill("pad_token", config.pad);
  fill("cls_token", config.cls);
  fill("sep_token", config.sep);
  fill("mask_token", config.mask);
  for (const char* const key : {"additional_special_tokens", "extra_special_tokens"}) {
    if (!json.contains(key)) {
      continue;
    }
    // A list in transformers 5; a name for each in transformers 4.
    for (const Json& value : json.at(key)) {
      std::string token = read_token(value, fmt::format("{}: {}", where, key));
      if (std::find(config.more.begin(), config.more.end(), token) == config.more.end()) {
        config.more.push_back(std::move(token));
      }
    }
  }
}

int64_t parse_id(const std::string& text, const std::string& where) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  check<ModelError>(error == std::errc() && end == text.data() + text.size(),
                    "{}: expected an id as key, found \"{}\"", where, escaped(text));
  return id;
}

void read_config_file(const std::filesystem::path& file, TokenizerConfig& config) {
  const std::string where = file.string();
  const Json json = read_json<ModelError>(file, kLimits);
  JsonReader<ModelError> reader(json, where);
  read_names(json, where, config);
  const auto read_flag = [&](const char* key, std::optional<bool>& flag) {
    bool value = false;
    if (reader.read(key, value)) {
      flag = value;
    }
  };
  read_flag("add_bos_token", config.add_bos);
  read_flag("add_eos_token", config.add_eos);
  read_flag("legacy", config.legacy);
  read_flag("add_prefix_space", config.add_prefix_space);
  read_flag("do_lower_case", config.lower_case);
  read_flag("strip_accents", config.strip_accents);
  read_flag("tokenize_chinese_chars", config.chinese_characters);
  reader.read("extra_ids", config.extra_ids);
  reader.read("tokenizer_class", config.tokenizer_class);
  if (reader.has("added_tokens_decoder")) {
    const std::string list = where + ": added_tokens_decoder";
    const Json& tokens = json.at("added_tokens_decoder");
    check<ModelError>(tokens.is_object(), "{}: expected an object, found {}", list,
                      json_kind(tokens));
    for (const auto& [id, token] : tokens.items()) {
      config.added_tokens.push_back(
          read_added_token(token, parse_id(id, list), fmt::format("{}.{}", list, id)));
    }
  }
}

/// added_tokens.json of transformers 4: {"<token>": id}; whether it is special stands elsewhere.
void read_added_tokens_file(const std::filesystem::path& file, TokenizerConfig& config) {
  const std::string where = file.string();
  const Json json = read_json<ModelError>(file, kLimits);
  check<ModelError>(json.is_object(), "{}: expected an object, found {}", where, json_kind(json));
  for (const auto& [content, id] : json.items()) {
    Json token = Json::object();
    token["id"] = id;
    token["content"] = content;
    token["normalized"] = false;
    config.added_tokens.push_back(read_added_token(token, std::nullopt, where));
  }
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& model_directory) {
  TokenizerConfig config;
  if (const auto file = model_file(model_directory, "tokenizer_config.json")) {
    read_config_file(*file, config);
  }
  if (const auto file = model_file(model_directory, "special_tokens_map.json")) {
    const Json json = read_json<ModelError>(*file, kLimits);
    check<ModelError>(json.is_object(), "{}: expected an object, found {}", file->string(),
                      json_kind(json));
    read_names(json, file->string(), config);
  }
  if (config.added_tokens.empty()) {
    if (const auto file = model_file(model_directory, "added_tokens.json")) {
      read_added_tokens_file(*file, config);
    }
  }
  return config;
}

std::vector<AddedToken> with_config(
    std::vector<AddedToken> tokens, const TokenizerConfig& config,
    const std::function<std::optional<int32_t>(std::string_view)>& find) {
  const auto listed = [&](std::string_view content) {
    return std::find_if(tokens.begin(), tokens.end(),
                        [&](const AddedToken& token) { return token.content == content; });
  };
  for (const AddedToken& token : config.added_tokens) {
    if (listed(token.content) == tokens.end()) {
      tokens.push_back(token);
    }
  }
  std::vector<std::string> special = config.more;
  special.insert(special.end(), {config.bos, config.eos, config.unk, config.pad, config.cls,
                                 config.sep, config.mask});
  for (const std::string& content : special) {
    const auto known = listed(content);
    if (known != tokens.end()) {
      known->special = true;
    } else if (const auto id = content.empty() ? std::nullopt : find(content)) {
      AddedToken token;
      token.id = *id;
      token.content = content;
      token.normalized = false;
      token.special = true;
      tokens.push_back(std::move(token));
    }
  }
  return tokens;
}

SpecialTokens special_tokens(const TokenizerConfig& config,
                             const std::function<std::optional<int32_t>(std::string_view)>& find) {
  SpecialTokens special;
  const auto set = [&](const std::string& text, std::optional<int32_t>& id, std::string& known,
                       const char* name) {
    if (text.empty()) {
      return;
    }
    id = find(text);
    if (id) {
      known = text;
    } else {
      log_warning("the tokenizer's {} \"{}\" is not in its vocabulary; it is left out", name,
                  escaped(text));
    }
  };
  set(config.bos, special.bos, special.bos_text, "bos_token");
  set(config.eos, special.eos, special.eos_text, "eos_token");
  set(config.unk, special.unk, special.unk_text, "unk_token");
  set(config.pad, special.pad, special.pad_text, "pad_token");
  return special;
}

}  // namespace peft
