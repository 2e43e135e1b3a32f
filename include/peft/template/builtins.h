#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/template/context.h"

namespace peft {

/// A filter: input | name(arguments).
using TemplateFilter = TemplateValue (*)(TemplateContext& context, const TemplateValue& input,
                                         const TemplateArguments& arguments);

/// A test: value is name(arguments).
using TemplateTest = bool (*)(TemplateContext& context, const TemplateValue& value,
                              const TemplateArguments& arguments);

/// Null for a name we do not know.
TemplateFilter find_filter(std::string_view name);
TemplateTest find_test(std::string_view name);

/// Filters on text, on its layout, on sequences, and those that apply others (map, select); null
/// when unknown.
TemplateFilter find_text_filter(std::string_view name);
TemplateFilter find_layout_filter(std::string_view name);
TemplateFilter find_sequence_filter(std::string_view name);
TemplateFilter find_functional_filter(std::string_view name);

/// "a.b.0" as attributes and elements, the way attribute= arguments name them.
std::vector<TemplateValue> attribute_path(TemplateContext& context, const TemplateValue& attribute);

/// What stands at that path; `otherwise`, unless it is None, replaces what is undefined.
TemplateValue at_path(TemplateContext& context, TemplateValue value,
                      const std::vector<TemplateValue>& path,
                      const TemplateValue& otherwise = TemplateValue());

/// A method: self.name(arguments), for a self of the right type.
using TemplateMethod = TemplateFilter;

/// A method of str; null when unknown.
TemplateMethod find_text_method(std::string_view name);
/// Those that align and convert case, and those that ask for the class of all characters.
TemplateMethod find_text_layout(std::string_view name);
TemplateMethod find_text_class(std::string_view name);

/// range, dict, namespace, raise_exception and strftime_now.
std::vector<std::pair<std::string, TemplateValue>> template_globals();

/// Sorts stably by Python's order of the keys; refuses keys that have no order.
void sort_by_key(TemplateContext& context,
                 std::vector<std::pair<TemplateValue, TemplateValue>>& keyed, bool reverse);

/// str.format and the % operator.
std::string format_braces(TemplateContext& context, const std::string& format,
                          const TemplateArguments& arguments);
std::string format_percent(TemplateContext& context, const std::string& format,
                           const TemplateValue& operand);

}  // namespace peft
