#include <fmt/format.h>

#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

// The arguments behind the first `count`, for the filter or test that another filter calls.
Given arguments_behind(const Given& given, size_t count) {
  return {{given.positional.begin() + static_cast<std::ptrdiff_t>(count), given.positional.end()},
          given.named};
}

Value map(TemplateContext& context, const Value& input, const Given& given) {
  std::vector<Value> mapped;
  if (!is_true(input)) {
    return context.generator({});  // even None, which has no items
  }
  if (given.positional.empty()) {
    const BoundArguments bound(context, "map", given, {"attribute", "default"});
    if (bound[0] == nullptr) {
      context.unsupported("map: the filter's name is missing");
    }
    const auto path = attribute_path(context, *bound[0]);
    for (const Value& item : iterate(context, input)) {
      mapped.push_back(at_path(context, item, path, bound.value_or(1, Value())));
    }
    return context.generator(std::move(mapped));
  }
  const std::string name = to_text(context, given.positional[0]);
  const TemplateFilter filter = find_filter(name);
  if (filter == nullptr) {
    context.unsupported(fmt::format("map: no filter named '{}'", name));
  }
  const Given rest = arguments_behind(given, 1);
  for (const Value& item : iterate(context, input)) {
    context.spend_value(item);
    mapped.push_back(filter(context, item, rest));
  }
  return context.generator(std::move(mapped));
}

// select and reject (by the item), selectattr and rejectattr (by one of its attributes).
template <bool kKeep, bool kByAttribute>
Value select(TemplateContext& context, const Value& input, const Given& given) {
  constexpr size_t kOwn = kByAttribute ? 1 : 0;
  if (!is_true(input)) {
    return context.generator({});
  }
  if (given.positional.size() < kOwn) {
    context.unsupported("selectattr: the attribute's name is missing");
  }
  const auto path =
      kByAttribute ? attribute_path(context, given.positional[0]) : std::vector<Value>();
  const bool by_truth = given.positional.size() == kOwn;
  const std::string name = by_truth ? "" : to_text(context, given.positional[kOwn]);
  const TemplateTest test = by_truth ? nullptr : find_test(name);
  if (!by_truth && test == nullptr) {
    context.unsupported(fmt::format("select: no test named '{}'", name));
  }
  const Given rest = by_truth ? Given() : arguments_behind(given, kOwn + 1);
  std::vector<Value> kept;
  for (const Value& item : iterate(context, input)) {
    const Value value = at_path(context, item, path);
    context.spend_value(value);
    if ((test == nullptr ? is_true(value) : test(context, value, rest)) == kKeep) {
      kept.push_back(item);
    }
  }
  return context.generator(std::move(kept));
}

}  // namespace

std::vector<TemplateValue> attribute_path(TemplateContext& context, const Value& attribute) {
  if (attribute.as_integer()) {
    return {attribute};
  }
  if (!attribute.is_text()) {
    context.unsupported("expected a string or an integer as attribute");
  }
  std::vector<TemplateValue> path;
  for (std::string& part : split(attribute.text(), '.')) {
    const bool digits = !part.empty() && part.size() < 18 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    path.push_back(digits ? TemplateValue::integer(std::stoll(part))
                          : TemplateValue::text(std::move(part)));
  }
  return path;
}

TemplateValue at_path(TemplateContext& context, TemplateValue value,
                      const std::vector<TemplateValue>& path, const Value& otherwise) {
  for (const Value& part : path) {
    value = item_of(context, value, part);
    if (value.is_undefined() && !otherwise.is_none()) {
      return otherwise;
    }
  }
  return value;
}

TemplateFilter find_functional_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateFilter> kFilters = {
      {"map", map},
      {"reject", select<false, false>},
      {"rejectattr", select<false, true>},
      {"select", select<true, false>},
      {"selectattr", select<true, true>}};
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

}  // namespace peft
