#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;
using Keyed = std::vector<std::pair<Value, Value>>;

Value count(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "length", given, {});
  const auto size = length(context, input);
  if (!size) {
    context.refuse(fmt::format("object of type '{}' has no len()", input.type_name()));
  }
  return Value::integer(*size);
}

Value first(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "first", given, {});
  const auto items = iterate(context, input);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "last", given, {});
  if (input.is(SequenceKind::kGenerator)) {
    context.refuse("'generator' object is not reversible");
  }
  const auto items = iterate(context, input);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value defaulted(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "default", given, {"default_value", "boolean"});
  const bool replaced = input.is_undefined() || (bound.flag(1) && !is_true(input));
  return replaced ? bound.value_or(0, Value::text("")) : input;
}

Value list(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "list", given, {});
  return context.list(iterate(context, input));
}

Value items(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "items", given, {});
  if (!input.is_dict() && !input.is_undefined()) {
    context.refuse("Can only get item pairs from a mapping.");
  }
  std::vector<Value> pairs;
  if (input.is_dict()) {
    for (const auto& [key, value] : input.dict().entries()) {
      pairs.push_back(context.sequence(SequenceKind::kTuple, {key, value}));
    }
  }
  return context.generator(std::move(pairs));
}

// Filters that take attribute= and case_sensitive=: the items with their keys in front.
Keyed keyed_items(TemplateContext& context, const Value& input, const Value* attribute,
                  bool case_sensitive) {
  const bool direct = attribute == nullptr || attribute->is_none();
  const auto path = direct ? std::vector<Value>() : attribute_path(context, *attribute);
  Keyed keyed;
  for (const Value& item : iterate(context, input)) {
    const Value key = at_path(context, item, path);
    keyed.emplace_back(
        key.is_text() && !case_sensitive ? context.text(python_lower(key.text())) : key, item);
  }
  return keyed;
}

std::vector<Value> values_of(Keyed keyed) {
  std::vector<Value> values;
  for (auto& [key, value] : keyed) {
    values.push_back(std::move(value));
  }
  return values;
}

Value sort(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "sort", given, {"reverse", "case_sensitive", "attribute"});
  if (bound[2] != nullptr && bound[2]->is_text() &&
      bound[2]->text().find(',') != std::string::npos) {
    context.unsupported("sort: several attributes are not supported");
  }
  Keyed keyed = keyed_items(context, input, bound[2], bound.flag(1));
  for (auto& [key, item] : keyed) {
    key = context.list({key});  // as in Jinja: equal keys pass even if their type has no order
  }
  sort_by_key(context, keyed, bound.flag(0));
  return context.list(values_of(std::move(keyed)));
}

Value dictsort(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "dictsort", given, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.text_or(1, "key");
  if (!input.is_dict() || (by != "key" && by != "value")) {
    context.refuse("dictsort: expected a mapping, sorted by \"key\" or \"value\"");
  }
  Keyed keyed;
  for (const auto& [key, value] : input.dict().entries()) {
    const Value& by_value = by == "key" ? key : value;
    keyed.emplace_back(by_value.is_text() && !bound.flag(0)
                           ? context.text(python_lower(by_value.text()))
                           : by_value,
                       context.sequence(SequenceKind::kTuple, {key, value}));
  }
  sort_by_key(context, keyed, bound.flag(2));
  return context.list(values_of(std::move(keyed)));
}

Value unique(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "unique", given, {"case_sensitive", "attribute"});
  TemplateDict seen;
  for (auto& [key, item] : keyed_items(context, input, bound[1], bound.flag(0))) {
    context.spend_value(key);
    if (seen.find(key) == nullptr && !seen.set(key, item)) {
      context.refuse(fmt::format("unhashable type: '{}'", key.type_name()));
    }
  }
  std::vector<Value> kept;
  for (const auto& [key, item] : seen.entries()) {
    kept.push_back(item);
  }
  return context.generator(std::move(kept));
}

template <bool kMax>
Value extreme(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, kMax ? "max" : "min", given, {"case_sensitive", "attribute"});
  const Keyed keyed = keyed_items(context, input, bound[1], bound.flag(0));
  if (keyed.empty()) {
    return Value::undefined("No aggregated item, sequence was empty.");
  }
  const auto* best = &keyed.front();
  // From the second on: one item alone need not have an order.
  for (size_t i = 1; i < keyed.size(); ++i) {
    const auto& entry = keyed[i];
    if (kMax ? is_less(context, best->first, entry.first)
             : is_less(context, entry.first, best->first)) {
      best = &entry;
    }
  }
  return best->second;
}

Value sum(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "sum", given, {"attribute", "start"});
  Value total = bound.value_or(1, Value::integer(0));
  for (const auto& [key, item] : keyed_items(context, input, bound[0], /*case_sensitive=*/true)) {
    total = arithmetic(context, ExpressionKind::kAdd, total, key);
  }
  return total;
}

Value join(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "join", given, {"d", "attribute"});
  const std::string separator = bound[0] == nullptr ? "" : to_text(context, *bound[0]);
  std::string text;
  bool is_first = true;
  for (const auto& [key, item] : keyed_items(context, input, bound[1], /*case_sensitive=*/true)) {
    text += std::exchange(is_first, false) ? "" : separator;
    text += to_text(context, key);
    context.spend_bytes(separator.size());
    context.check_text(text.size());
  }
  return context.text(std::move(text));
}

Value reverse(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "reverse", given, {});
  if (input.is_text()) {
    const Value minus = Value::integer(-1);
    return slice_of(context, input, nullptr, nullptr, &minus);
  }
  std::vector<Value> reversed = iterate(context, input);
  std::reverse(reversed.begin(), reversed.end());
  return context.generator(std::move(reversed));
}

Value batch(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "batch", given, {"linecount", "fill_with"}, 1);
  const int64_t size = bound.integer_or(0, 0);
  if (size < 1) {
    context.refuse("batch: expected a positive size");
  }
  std::vector<Value> rows, row;
  for (const Value& item : iterate(context, input)) {
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(context.list(std::exchange(row, {})));
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    if (const Value fill = bound.value_or(1, Value()); !fill.is_none()) {
      context.expect_items(static_cast<size_t>(size));
      row.resize(static_cast<size_t>(size), fill);
    }
    rows.push_back(context.list(std::move(row)));
  }
  return context.generator(std::move(rows));
}

// So many columns, the first of them longer by one where the items do not fill all evenly.
Value columns(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "slice", given, {"slices", "fill_with"}, 1);
  const std::vector<Value> items = iterate(context, input);
  const auto count = static_cast<size_t>(std::max<int64_t>(bound.integer_or(0, 0), 0));
  context.expect_items(count);
  const Value fill = bound.value_or(1, Value());
  std::vector<Value> made;
  auto begin = items.begin();
  for (size_t i = 0; i < count; ++i) {
    const bool longer = i < items.size() % count;
    const auto end = begin + static_cast<std::ptrdiff_t>(items.size() / count + (longer ? 1 : 0));
    std::vector<Value> column(begin, end);
    if (!longer && !fill.is_none()) {
      column.push_back(fill);
    }
    made.push_back(context.list(std::move(column)));
    begin = end;
  }
  return context.generator(std::move(made));
}

}  // namespace

void sort_by_key(TemplateContext& context, Keyed& keyed, bool reverse) {
  const auto before = [&](const auto& a, const auto& b) {
    return reverse ? is_less(context, b.first, a.first) : is_less(context, a.first, b.first);
  };
  std::stable_sort(keyed.begin(), keyed.end(), before);
}

TemplateFilter find_sequence_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateFilter> kFilters = {
      {"batch", batch},        {"count", count},       {"d", defaulted},
      {"default", defaulted},  {"dictsort", dictsort}, {"first", first},
      {"items", items},        {"join", join},         {"last", last},
      {"length", count},       {"list", list},         {"max", extreme<true>},
      {"min", extreme<false>}, {"reverse", reverse},   {"slice", columns},
      {"sort", sort},          {"sum", sum},           {"unique", unique}};
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

TemplateFilter find_filter(std::string_view name) {
  for (const auto find :
       {find_text_filter, find_layout_filter, find_sequence_filter, find_functional_filter}) {
    if (const TemplateFilter filter = find(name)) {
      return filter;
    }
  }
  return nullptr;
}

}  // namespace peft
