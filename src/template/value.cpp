#include "peft/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "peft/template/python_text.h"

namespace peft {
namespace {

// Spells a key so that equal keys, in Python's sense, have equal spellings.
bool append_key(std::string& spelling, const TemplateValue& key) {
  if (key.is_text()) {
    spelling += fmt::format("s{}:{}", key.text().size(), key.text());
    return true;
  }
  if (const auto integer = key.as_integer()) {
    spelling += fmt::format("n{};", *integer);
    return true;
  }
  if (key.is_real()) {
    const double real = key.real();
    const bool whole = std::abs(real) < 9e15 && real == std::floor(real);
    spelling += whole ? fmt::format("n{};", static_cast<int64_t>(real))
                      : fmt::format("r{};", python_real(real));
    return true;
  }
  if (key.is_none()) {
    spelling += "none;";
    return true;
  }
  if (!key.is(SequenceKind::kTuple) || spelling.size() > TemplateDict::kKeyBytes) {
    return false;
  }
  spelling += '(';
  const bool ok = std::all_of(key.items().begin(), key.items().end(),
                              [&](const auto& item) { return append_key(spelling, item); });
  spelling += ')';
  return ok;
}

TemplateValue convert(const Json& json, int depth) {
  check<DataError>(depth <= kTemplateValueDepth, "chat messages are nested deeper than {} levels",
                   kTemplateValueDepth);
  if (json.is_object()) {
    TemplateDict dict;
    for (const auto& [key, value] : json.items()) {
      dict.set(TemplateValue::text(key), convert(value, depth + 1));
    }
    return TemplateValue::dict(std::move(dict));
  }
  if (json.is_array()) {
    std::vector<TemplateValue> items;
    items.reserve(json.size());
    for (const Json& item : json) {
      items.push_back(convert(item, depth + 1));
    }
    return TemplateValue::sequence(SequenceKind::kList, std::move(items));
  }
  if (json.is_string()) {
    return TemplateValue::text(json.get<std::string>());
  }
  if (json.is_boolean()) {
    return TemplateValue::boolean(json.get<bool>());
  }
  if (json.is_number_integer()) {
    check<DataError>(!json.is_number_unsigned() || std::in_range<int64_t>(json.get<uint64_t>()),
                     "chat messages: the integer {} does not fit 64 bits", json.dump());
    return TemplateValue::integer(json.get<int64_t>());
  }
  return json.is_number() ? TemplateValue::real(json.get<double>()) : TemplateValue();
}

}  // namespace

const TemplateValue* TemplateDict::find(const TemplateValue& key) const {
  std::string spelling;
  if (!append_key(spelling, key)) {
    return nullptr;
  }
  const auto found = index_.find(spelling);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

const TemplateValue* TemplateDict::find(std::string_view key) const {
  const auto found = index_.find(fmt::format("s{}:{}", key.size(), key));
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

bool TemplateDict::set(const TemplateValue& key, TemplateValue value) {
  std::string spelling;
  if (!append_key(spelling, key)) {
    return false;
  }
  depth_ = std::max({depth_, 1 + value.depth(), 1 + key.depth()});
  const auto [found, added] = index_.emplace(std::move(spelling), entries_.size());
  if (added) {
    entries_.emplace_back(key, std::move(value));
  } else {
    entries_[found->second].second = std::move(value);
  }
  return true;
}

void TemplateDict::clear() {
  index_.clear();
  // Emptied first, destroyed after: a value's destructor may lead back here.
  const auto entries = std::move(entries_);
  entries_.clear();
}

TemplateValue TemplateValue::undefined(std::string why) {
  return TemplateValue(
      Storage(TemplateUndefined{std::make_shared<const std::string>(std::move(why))}));
}

TemplateValue TemplateValue::text(std::string value) {
  return TemplateValue(Storage(Text{std::make_shared<const std::string>(std::move(value))}));
}

TemplateValue TemplateValue::markup(std::string value) {
  return TemplateValue(
      Storage(Text{std::make_shared<const std::string>(std::move(value)), /*is_markup=*/true}));
}

TemplateValue TemplateValue::sequence(SequenceKind kind, std::vector<TemplateValue> items) {
  auto made = std::make_shared<TemplateSequence>();
  made->kind = kind;
  for (const TemplateValue& item : items) {
    made->depth = std::max(made->depth, 1 + item.depth());
  }
  made->items = std::move(items);
  return TemplateValue(Storage(std::move(made)));
}

TemplateValue TemplateValue::dict(TemplateDict value) {
  return TemplateValue(Storage(std::make_shared<const TemplateDict>(std::move(value))));
}

TemplateValue TemplateValue::callable(TemplateCallable value) {
  return TemplateValue(Storage(std::make_shared<const TemplateCallable>(std::move(value))));
}

TemplateValue TemplateValue::from_json(const Json& json) {
  return convert(json, /*depth=*/1);
}

std::optional<int64_t> TemplateValue::as_integer() const {
  if (is_boolean()) {
    return boolean() ? 1 : 0;
  }
  return is_integer() ? std::optional(std::get<int64_t>(storage_)) : std::nullopt;
}

double TemplateValue::as_real() const {
  return is_real() ? real() : static_cast<double>(as_integer().value());
}

int TemplateValue::depth() const {
  if (is_sequence()) {
    return sequence()->depth;
  }
  return is_dict() ? dict().depth() : 0;
}

bool TemplateValue::same_as(const TemplateValue& other) const {
  if (storage_.index() != other.storage_.index()) {
    return false;
  }
  if (is_text()) {
    return text() == other.text();
  }
  if (is_real()) {
    return real() == other.real();
  }
  if (is_none() || is_undefined()) {
    return true;
  }
  if (const auto integer = as_integer()) {
    return integer == other.as_integer();
  }
  if (is_sequence()) {
    return sequence() == other.sequence();
  }
  if (is_dict()) {
    return &dict() == &other.dict();
  }
  return is_namespace() ? name_space() == other.name_space()
                        : is_callable() && &callable() == &other.callable();
}

std::string TemplateValue::type_name() const {
  static constexpr const char* kNames[] = {"NoneType",  "Undefined", "bool",       "int",
                                           "float",     "str",       "list",       "dict",
                                           "Namespace", "function",  "LoopContext"};
  static constexpr const char* kSequences[] = {"list",        "tuple",      "range",    "dict_keys",
                                               "dict_values", "dict_items", "generator"};
  return is_sequence() ? kSequences[static_cast<int>(sequence()->kind)] : kNames[storage_.index()];
}

}  // namespace peft
