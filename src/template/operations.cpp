#include "peft/template/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "peft/template/python_text.h"

namespace peft {
namespace {

using Items = std::vector<TemplateValue>;

std::string join_representations(TemplateContext& context, const Items& items,
                                 std::string_view begin, std::string_view end) {
  std::string text(begin);
  for (size_t i = 0; i < items.size(); ++i) {
    text += (i == 0 ? "" : ", ") + representation(context, items[i]);
  }
  return text.append(end);
}

std::string sequence_representation(TemplateContext& context, const TemplateSequence& sequence) {
  const Items& items = sequence.items;
  switch (sequence.kind) {
    case SequenceKind::kList:
      return join_representations(context, items, "[", "]");
    case SequenceKind::kTuple:
      return join_representations(context, items, "(", items.size() == 1 ? ",)" : ")");
    case SequenceKind::kKeys:
      return join_representations(context, items, "dict_keys([", "])");
    case SequenceKind::kValues:
      return join_representations(context, items, "dict_values([", "])");
    case SequenceKind::kItems:
      return join_representations(context, items, "dict_items([", "])");
    default:
      context.unsupported("a range or generator is printed; use the filter \"list\"");
  }
}

std::string dict_representation(TemplateContext& context, const TemplateDict& dict) {
  std::string text = "{";
  for (const auto& [key, value] : dict.entries()) {
    text += text.size() == 1 ? "" : ", ";
    text += representation(context, key) + ": " + representation(context, value);
  }
  return text + "}";
}

bool equal_items(TemplateContext& context, const Items& left, const Items& right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(),
                    [&](const auto& a, const auto& b) { return is_equal(context, a, b); });
}

bool equal_dicts(TemplateContext& context, const TemplateDict& left, const TemplateDict& right) {
  const auto& entries = left.entries();
  return entries.size() == right.entries().size() &&
         std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
           const TemplateValue* other = right.find(entry.first);
           return other != nullptr && is_equal(context, entry.second, *other);
         });
}

[[noreturn]] void refuse_order(TemplateContext& context, const TemplateValue& left,
                               const TemplateValue& right) {
  context.refuse(fmt::format("'<' not supported between instances of '{}' and '{}'",
                             left.type_name(), right.type_name()));
}

}  // namespace

bool is_true(const TemplateValue& value) {
  if (value.is_none() || value.is_undefined()) {
    return false;
  }
  if (value.is_number()) {
    return value.as_real() != 0;
  }
  if (value.is_text()) {
    return !value.text().empty();
  }
  if (value.is_sequence()) {
    return value.is(SequenceKind::kGenerator) || !value.items().empty();
  }
  return !value.is_dict() || !value.dict().entries().empty();
}

std::string to_text(TemplateContext& context, const TemplateValue& value) {
  if (value.is_text()) {
    return value.text();
  }
  return value.is_undefined() ? "" : representation(context, value);
}

std::string representation(TemplateContext& context, const TemplateValue& value) {
  context.spend(1);
  if (value.is_text()) {
    context.spend_bytes(value.text().size());
    const std::string quoted = python_quoted(value.text());
    return value.is_markup() ? "Markup(" + quoted + ")" : quoted;
  }
  if (value.is_boolean()) {
    return value.boolean() ? "True" : "False";
  }
  if (const auto integer = value.as_integer()) {
    return fmt::format("{}", *integer);
  }
  if (value.is_real()) {
    return python_real(value.real());
  }
  if (value.is_none() || value.is_undefined()) {
    return value.is_none() ? "None" : "Undefined";
  }
  if (value.is_sequence()) {
    return sequence_representation(context, *value.sequence());
  }
  if (!value.is_dict()) {
    context.unsupported(fmt::format("an object of type {} is printed", value.type_name()));
  }
  return dict_representation(context, value.dict());
}

bool is_equal(TemplateContext& context, const TemplateValue& left, const TemplateValue& right) {
  context.spend(1);
  if (left.is_number() && right.is_number()) {
    const auto a = left.as_integer();
    const auto b = right.as_integer();
    return a && b ? *a == *b : left.as_real() == right.as_real();
  }
  if (left.is_text() && right.is_text()) {
    context.spend_bytes(std::min(left.text().size(), right.text().size()));
    return left.text() == right.text();
  }
  if (left.is_dict() && right.is_dict()) {
    context.spend(static_cast<int64_t>(left.dict().entries().size()));
    return equal_dicts(context, left.dict(), right.dict());
  }
  if (left.is_sequence() && right.is_sequence() && !left.is(SequenceKind::kGenerator)) {
    return left.sequence()->kind == right.sequence()->kind &&
           equal_items(context, left.items(), right.items());
  }
  return left.same_as(right);
}

bool is_less(TemplateContext& context, const TemplateValue& left, const TemplateValue& right) {
  context.spend(1);
  if (left.is_number() && right.is_number()) {
    const auto a = left.as_integer();
    const auto b = right.as_integer();
    return a && b ? *a < *b : left.as_real() < right.as_real();
  }
  if (left.is_text() && right.is_text()) {
    // UTF-8 sorts by bytes as code points do.
    context.spend_bytes(std::min(left.text().size(), right.text().size()));
    return left.text() < right.text();
  }
  const bool ordered = left.is(SequenceKind::kList) || left.is(SequenceKind::kTuple);
  if (!ordered || !right.is(left.sequence()->kind)) {
    if (left.is_undefined() || right.is_undefined()) {
      context.refuse((left.is_undefined() ? left : right).why_undefined());
    }
    refuse_order(context, left, right);
  }
  const size_t shorter = std::min(left.items().size(), right.items().size());
  for (size_t i = 0; i < shorter; ++i) {
    if (!is_equal(context, left.items()[i], right.items()[i])) {
      return is_less(context, left.items()[i], right.items()[i]);
    }
  }
  return left.items().size() < right.items().size();
}

bool contains(TemplateContext& context, const TemplateValue& container, const TemplateValue& item) {
  if (container.is_text()) {
    if (!item.is_text()) {
      context.refuse(
          fmt::format("'in <string>' requires string as left operand, not {}", item.type_name()));
    }
    context.spend_search(container.text().size(), item.text().size());
    return find_part(container.text(), item.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    expect_hashable(context, item);
    return container.dict().find(item) != nullptr;
  }
  if (container.is(SequenceKind::kKeys)) {
    expect_hashable(context, item);
  }
  const Items items = iterate(context, container);
  return std::any_of(items.begin(), items.end(),
                     [&](const auto& candidate) { return is_equal(context, candidate, item); });
}

void expect_hashable(TemplateContext& context, const TemplateValue& value) {
  context.spend_value(value);
  const bool is_view = value.is(SequenceKind::kKeys) || value.is(SequenceKind::kItems);
  if (value.is_dict() || value.is(SequenceKind::kList) || is_view) {
    context.refuse(fmt::format("unhashable type: '{}'", value.type_name()));
  }
  if (value.is(SequenceKind::kTuple)) {
    for (const TemplateValue& item : value.items()) {
      expect_hashable(context, item);
    }
  }
}

bool compare(TemplateContext& context, Comparison comparison, const TemplateValue& left,
             const TemplateValue& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return is_equal(context, left, right);
    case Comparison::kNotEqual:
      return !is_equal(context, left, right);
    case Comparison::kLess:
      return is_less(context, left, right);
    case Comparison::kGreater:
      return is_less(context, right, left);
    // Not "not greater": NaN is neither.
    case Comparison::kLessEqual:
      return is_less(context, left, right) || is_equal(context, left, right);
    case Comparison::kGreaterEqual:
      return is_less(context, right, left) || is_equal(context, left, right);
    case Comparison::kIn:
      return contains(context, right, left);
    default:
      return !contains(context, right, left);
  }
}

}  // namespace peft
