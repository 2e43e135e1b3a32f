#include "peft/config/schema.h"

#include "peft/config/keys.h"
#include "peft/config/methods.h"
#include "peft/data/column_options.h"

namespace peft {
namespace {

using enum ValueType;

void add_range(const Key& key, Json& schema) {
  if (key.least > -1e300) {
    schema[key.above_least ? "exclusiveMinimum" : "minimum"] = key.least;
  }
  if (key.most < 1e300) {
    schema["maximum"] = key.most;
  }
}

Json source_schema() {
  return {{"anyOf",
           {{{"type", "string"}, {"minLength", 1}},
            {{"type", "object"},
             {"properties",
              {{"path", {{"type", "string"}, {"minLength", 1}}},
               {"weight", {{"type", "number"}, {"exclusiveMinimum", 0}}},
               {"limit", {{"type", {"integer", "null"}}, {"minimum", 1}}}}},
             {"required", Json::array({"path"})},
             {"additionalProperties", false}}}}};
}

Json scalar(const Key& key, const char* type) {
  Json schema = {{"type", type}};
  add_range(key, schema);
  return schema;
}

Json text_schema(const Key& key) {
  Json schema = {{"type", "string"}};
  if (key.choices.empty()) {
    schema["minLength"] = 1;
  } else {
    schema["enum"] = key.choices;
  }
  return schema;
}

Json list_of(Json items, bool may_be_empty = false) {
  return {{"type", "array"}, {"items", std::move(items)}, {"minItems", may_be_empty ? 0 : 1}};
}

Json map_of(Json members) {
  return {{"type", "object"}, {"additionalProperties", std::move(members)}};
}

Json columns_schema(const Json& text) {
  Json properties = Json::object();
  for (const std::string& name : column_names()) {
    properties[name] = name == "roles" ? map_of(text) : text;
  }
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Json type_schema(const Key& key, ValueType type) {
  switch (type) {
    case kBool:
      return {{"type", "boolean"}};
    case kInt:
      return scalar(key, "integer");
    case kNumber:
      return scalar(key, "number");
    case kIntList:
      return list_of(scalar(key, "integer"));
    case kStringList:
      return list_of(text_schema(key), key.may_be_empty);
    case kIntMap:
      return map_of(scalar(key, "integer"));
    case kNumberMap:
      return map_of(scalar(key, "number"));
    case kIntListMap:
      return map_of(list_of(scalar(key, "integer")));
    case kFlagMap:
      return map_of({{"type", "array"}, {"items", {{"type", "boolean"}}}});
    case kEmptyList:
      return {{"type", "array"}, {"maxItems", 0}};
    case kColumns:
      return columns_schema({{"type", "string"}, {"minLength", 1}});
    case kSources: {
      Json schema = source_schema();
      schema["anyOf"].push_back(list_of(source_schema()));
      return schema;
    }
    default:
      return text_schema(key);
  }
}

Json key_schema(const Key& key) {
  if (key.support == Support::kNotUsed) {
    return {{"description", "not used"}};
  }
  if (key.support == Support::kNeutral) {
    Json values = key.neutral;
    values.push_back(nullptr);
    return {{"description", key.missing}, {"enum", std::move(values)}};
  }
  Json schema = Json::object();
  schema["description"] = key.summary;
  if (key.fallback && !key.fallback->is_null()) {
    schema["default"] = *key.fallback;
  }
  for (const ValueType type : key.types) {
    schema["anyOf"].push_back(type_schema(key, type));
  }
  if (key.minus_one_is_absent && key.least > -1.0) {
    schema["anyOf"].push_back({{"const", -1}});
  }
  if (key.fallback) {
    schema["anyOf"].push_back({{"type", "null"}});
  }
  return schema;
}

Json section_schema(Section section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Method& method : methods()) {  // sections other than the adapter's repeat themselves
    for (const Key& key : keys_of(section, method.peft_type)) {
      properties[key.name] = key_schema(key);
      if (!key.fallback && key.support == Support::kUsed && !required.contains(key.name)) {
        required.push_back(key.name);
      }
    }
    if (section != Section::kAdapter) {
      break;
    }
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  schema["additionalProperties"] = false;
  return schema;
}

/// The section, or the plain string that stands for its main key.
Json section_or_string(Section section, const Json& plain) {
  return {{"anyOf", {section_schema(section), plain}}};
}

}  // namespace

Json run_file_schema() {
  const Json text = {{"type", "string"}, {"minLength", 1}};
  Json data = section_or_string(Section::kData, text);
  data["anyOf"].push_back(list_of(source_schema()));
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "peft run file"},
          {"type", "object"},
          {"properties",
           {{"model", section_or_string(Section::kModel, text)},
            {"adapter", section_or_string(Section::kAdapter, text)},
            {"data", std::move(data)},
            {"training", section_schema(Section::kTraining)}}},
          {"required", {"model", "data", "training"}},
          {"additionalProperties", false}};
}

}  // namespace peft
