#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peft/template/ast.h"
#include "peft/template/context.h"

namespace peft {

/// Python's bool(value).
bool is_true(const TemplateValue& value);

/// Python's str(value), what {{ value }} prints.
std::string to_text(TemplateContext& context, const TemplateValue& value);

/// Python's repr(value).
std::string representation(TemplateContext& context, const TemplateValue& value);

/// json.dumps(value, ...) as the filter tojson calls it.
struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< absent: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json_text(TemplateContext& context, const TemplateValue& value,
                         const JsonStyle& style);

/// left == right.
bool is_equal(TemplateContext& context, const TemplateValue& left, const TemplateValue& right);

/// left < right; refuses types that have no order.
bool is_less(TemplateContext& context, const TemplateValue& left, const TemplateValue& right);

/// Refuses what cannot be the key of a dict: lists, dicts, and tuples that hold them.
void expect_hashable(TemplateContext& context, const TemplateValue& value);

/// item in container.
bool contains(TemplateContext& context, const TemplateValue& container, const TemplateValue& item);

/// Any comparison but a chain.
bool compare(TemplateContext& context, Comparison comparison, const TemplateValue& left,
             const TemplateValue& right);

/// left + right and the other operators of two operands.
TemplateValue arithmetic(TemplateContext& context, ExpressionKind operation,
                         const TemplateValue& left, const TemplateValue& right);

/// -value or +value.
TemplateValue signed_value(TemplateContext& context, bool negative, const TemplateValue& value);

/// len(value); absent where Python has none.
std::optional<int64_t> length(TemplateContext& context, const TemplateValue& value);

/// The items that iterating gives (characters of a string, keys of a dict); uses up a generator.
std::vector<TemplateValue> iterate(TemplateContext& context, const TemplateValue& value);

/// value.name as the sandbox looks it up: methods first, then members.
TemplateValue attribute_of(TemplateContext& context, const TemplateValue& value,
                           const std::string& name);

/// value[key]: members first, then methods.
TemplateValue item_of(TemplateContext& context, const TemplateValue& value,
                      const TemplateValue& key);

/// value[begin:end:step]; null where left out.
TemplateValue slice_of(TemplateContext& context, const TemplateValue& value,
                       const TemplateValue* begin, const TemplateValue* end,
                       const TemplateValue* step);

/// value(arguments).
TemplateValue call_value(TemplateContext& context, const TemplateValue& value,
                         const TemplateArguments& arguments);

/// A method of a str, dict, list or loop bound to it; absent if the type has none of that name.
std::optional<TemplateValue> bound_method(TemplateContext& context, const TemplateValue& value,
                                          const std::string& name);

}  // namespace peft
