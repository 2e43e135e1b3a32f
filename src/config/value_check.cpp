#include "peft/config/value_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "peft/data/column_options.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using enum ValueType;

bool takes(const Key& key, ValueType type) {
  return std::find(key.types.begin(), key.types.end(), type) != key.types.end();
}

std::string quoted(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words) {
    parts.push_back("\"" + word + "\"");
  }
  return join(parts, ", ");
}

std::string range_text(const Key& key) {
  std::string text;
  if (key.least > -1e300) {
    text += fmt::format(" {} {}", key.above_least ? ">" : ">=", key.least);
  }
  if (key.most < 1e300 && key.most <= 1.0) {  // the large bounds only keep arithmetic safe
    text += fmt::format("{} <= {}", text.empty() ? "" : " and", key.most);
  }
  return text;
}

std::string type_text(const Key& key, ValueType type) {
  switch (type) {
    case kBool:
      return "true or false";
    case kInt:
      return "an integer" + range_text(key);
    case kNumber:
      return "a number" + range_text(key);
    case kIntList:
      return "a list of integers" + range_text(key);
    case kStringList:
      return "a list of " + (key.choices.empty() ? "strings" : quoted(key.choices));
    case kIntMap:
      return "an object of integers" + range_text(key);
    case kNumberMap:
      return "an object of numbers" + range_text(key);
    case kIntListMap:
      return "an object of lists of integers" + range_text(key);
    case kFlagMap:
      return "an object of lists of true and false";
    case kEmptyList:
      return "[]";
    case kColumns:
      return "an object of columns (" + join(column_names(), ", ") + ")";
    case kSources:
      return "a file, {\"path\", \"weight\", \"limit\"}, or a list of these";
    default:
      return key.choices.empty() ? "a string" : quoted(key.choices);
  }
}

bool in_range(const Key& key, const Json& value) {
  const double number = value.get<double>();
  return (key.above_least ? number > key.least : number >= key.least) && number <= key.most;
}

bool is_int(const Key& key, const Json& value) {
  return value.is_number_integer() && in_range(key, value);
}

bool is_number(const Key& key, const Json& value) {
  return value.is_number() && in_range(key, value);
}

bool is_text(const Json& value) {
  return value.is_string() && !value.get_ref<const std::string&>().empty();
}

bool is_source(const Json& value) {
  if (is_text(value)) {
    return true;
  }
  if (!value.is_object() || !value.contains("path")) {
    return false;
  }
  const auto good = [](const std::string& name, const Json& member) {
    return (name == "path" && is_text(member)) ||
           (name == "weight" && member.is_number() && member.get<double>() > 0.0) ||
           (name == "limit" &&
            (member.is_null() || (member.is_number_integer() && member.get<double>() >= 1.0)));
  };
  return std::all_of(value.items().begin(), value.items().end(),
                     [&](const auto& item) { return good(item.key(), item.value()); });
}

bool is_columns(const Json& value) {
  if (!value.is_object()) {
    return false;
  }
  const std::vector<std::string>& names = column_names();
  for (const auto& [ours, theirs] : value.items()) {
    if (std::find(names.begin(), names.end(), ours) == names.end() ||
        (ours == "roles" ? !theirs.is_object() : !is_text(theirs))) {
      return false;
    }
  }
  return true;
}

template <class Test>
bool all_in(const Json& container, Test test) {
  return std::all_of(container.begin(), container.end(), test);
}

bool is_choice(const Key& key, const Json& value, ValueOrigin origin) {
  const auto among = [&](const std::vector<std::string>& words) {
    return std::find(words.begin(), words.end(), value.get_ref<const std::string&>()) !=
           words.end();
  };
  return is_text(value) && (key.choices.empty() || among(key.choices) ||
                            (origin == ValueOrigin::kSavedAdapter && among(key.saved_choices)));
}

bool fits(const Key& key, ValueType type, const Json& value, ValueOrigin origin) {
  const auto int_here = [&](const Json& item) { return is_int(key, item); };
  const auto ints_here = [&](const Json& item) {
    return item.is_array() && !item.empty() && all_in(item, int_here);
  };
  const auto flags_here = [](const Json& item) {
    return item.is_array() && all_in(item, [](const Json& flag) { return flag.is_boolean(); });
  };
  const auto choice_here = [&](const Json& item) { return is_choice(key, item, origin); };
  const auto number_here = [&](const Json& item) { return is_number(key, item); };
  switch (type) {
    case kBool:
      return value.is_boolean();
    case kInt:
      return int_here(value);
    case kNumber:
      return number_here(value);
    case kString:
      return is_choice(key, value, origin);
    case kIntList:
      return value.is_array() && !value.empty() && all_in(value, int_here);
    case kStringList:
      return value.is_array() && (key.may_be_empty || !value.empty()) && all_in(value, choice_here);
    case kIntMap:
      return value.is_object() && all_in(value, int_here);
    case kNumberMap:
      return value.is_object() && all_in(value, number_here);
    case kIntListMap:
      return value.is_object() && all_in(value, ints_here);
    case kFlagMap:
      return value.is_object() && all_in(value, flags_here);
    case kEmptyList:
      return value.is_array() && value.empty();
    case kColumns:
      return is_columns(value);
    case kSources:
      return value.is_array() ? !value.empty() && all_in(value, is_source) : is_source(value);
  }
  return false;
}

/// "; write 1e-4 without quotes" and the like: advice on a value that was refused.
std::string advice(const Key& key, const Json& value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const Json bare = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if ((bare.is_number() && (takes(key, kInt) || takes(key, kNumber))) ||
        (bare.is_boolean() && takes(key, kBool))) {
      return fmt::format("; write {} without quotes", escaped(text));
    }
    const std::string hint = did_you_mean(text, key.choices);
    if (!hint.empty()) {
      return hint;
    }
  }
  return key.missing.empty() ? "" : "; " + key.missing;
}

/// The value that `value` stands for, by the alias's table and then by the key's.
Json translated(const Key& key, const Alias* alias, const Json& value) {
  if (alias != nullptr) {
    for (const Synonym& synonym : alias->values) {
      if (synonym.from == value) {
        return synonym.to;
      }
    }
  }
  for (const Synonym& synonym : key.synonyms) {
    if (synonym.from == value) {
      return synonym.to;
    }
  }
  return value;
}

bool asks_for_nothing(const Key& key, const Json& value) {
  return (value.is_structured() && value.empty()) ||
         std::find(key.neutral.begin(), key.neutral.end(), value) != key.neutral.end();
}

}  // namespace

std::string expectation(const Key& key) {
  if (key.support == Support::kNeutral) {
    return key.neutral.empty() ? "null" : json_excerpt(key.neutral.front());
  }
  std::vector<std::string> parts;
  for (const ValueType type : key.types) {
    parts.push_back(type_text(key, type));
  }
  return join(parts, " or ");
}

CheckedValue checked_value(const Key& key, const Alias* alias, const Json& value,
                           ValueOrigin origin) {
  const bool minus_one = key.minus_one_is_absent && value.is_number() && value == -1;
  if (value.is_null() || minus_one || key.support == Support::kNotUsed) {
    return {minus_one ? Json() : value, ""};
  }
  if (alias != nullptr && !alias->column.empty() && is_text(value)) {
    return {Json{{alias->column, value}}, ""};
  }
  Json meant = translated(key, alias, value);
  if (meant.is_null()) {
    return {nullptr, ""};
  }
  const bool good = key.support == Support::kNeutral
                        ? asks_for_nothing(key, meant)
                        : std::any_of(key.types.begin(), key.types.end(), [&](ValueType type) {
                            return fits(key, type, meant, origin);
                          });
  if (!good) {
    return {nullptr, fmt::format("expected {}, found {}{}", expectation(key), json_excerpt(value),
                                 advice(key, value))};
  }
  return {std::move(meant), ""};
}

}  // namespace peft
