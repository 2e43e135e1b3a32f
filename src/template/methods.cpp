#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"

namespace peft {
namespace {

template <SequenceKind kKind>
TemplateValue dict_view(TemplateContext& context, const TemplateValue& self,
                        const TemplateArguments& given) {
  const BoundArguments bound(context, "items", given, {});
  std::vector<TemplateValue> items;
  for (const auto& [key, value] : self.dict().entries()) {
    items.push_back(kKind == SequenceKind::kKeys ? key
                    : kKind == SequenceKind::kValues
                        ? value
                        : context.sequence(SequenceKind::kTuple, {key, value}));
  }
  return context.sequence(kKind, std::move(items));
}

TemplateValue dict_get(TemplateContext& context, const TemplateValue& self,
                       const TemplateArguments& given) {
  const BoundArguments bound(context, "get", given, {"key", "default"}, 1);
  expect_hashable(context, *bound[0]);
  const TemplateValue* found = self.dict().find(*bound[0]);
  return found != nullptr ? *found : bound.value_or(1, TemplateValue());
}

TemplateValue copy(TemplateContext&, const TemplateValue& self, const TemplateArguments&) {
  return self;  // nothing changes lists or dicts, so a copy cannot be told from the original
}

TemplateValue list_index(TemplateContext& context, const TemplateValue& self,
                         const TemplateArguments& given) {
  const BoundArguments bound(context, "index", given, {"value"}, 1);
  for (size_t i = 0; i < self.items().size(); ++i) {
    if (is_equal(context, self.items()[i], *bound[0])) {
      return TemplateValue::integer(static_cast<int64_t>(i));
    }
  }
  context.refuse("the value is not in the list");
}

TemplateValue list_count(TemplateContext& context, const TemplateValue& self,
                         const TemplateArguments& given) {
  const BoundArguments bound(context, "count", given, {"value"}, 1);
  return TemplateValue::integer(
      std::count_if(self.items().begin(), self.items().end(),
                    [&](const auto& item) { return is_equal(context, item, *bound[0]); }));
}

TemplateValue loop_cycle(TemplateContext& context, const TemplateValue& self,
                         const TemplateArguments& given) {
  if (given.positional.empty()) {
    context.refuse("no items for cycling given");
  }
  const auto turn = static_cast<size_t>(self.loop()->index0);
  return given.positional[turn % given.positional.size()];
}

TemplateValue loop_changed(TemplateContext& context, const TemplateValue& self,
                           const TemplateArguments& given) {
  TemplateLoop& loop = *self.loop();
  const TemplateValue now = context.sequence(SequenceKind::kTuple, given.positional);
  const bool same = loop.changed && is_equal(context, *loop.changed, now);
  loop.changed = std::make_shared<const TemplateValue>(now);
  return TemplateValue::boolean(!same);
}

TemplateMethod find_container_method(const TemplateValue& value, std::string_view name) {
  struct Entry {
    std::string_view name;
    TemplateMethod method;
  };
  static constexpr std::array<Entry, 5> kDict = {{{"copy", copy},
                                                  {"get", dict_get},
                                                  {"items", dict_view<SequenceKind::kItems>},
                                                  {"keys", dict_view<SequenceKind::kKeys>},
                                                  {"values", dict_view<SequenceKind::kValues>}}};
  static constexpr std::array<Entry, 3> kList = {
      {{"copy", copy}, {"count", list_count}, {"index", list_index}}};
  static constexpr std::array<Entry, 2> kLoop = {
      {{"changed", loop_changed}, {"cycle", loop_cycle}}};
  const auto in = [&](const auto& entries) -> TemplateMethod {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [&](const Entry& entry) { return entry.name == name; });
    return found == entries.end() ? nullptr : found->method;
  };
  if (value.is_dict()) {
    return in(kDict);
  }
  if (value.is_loop()) {
    return in(kLoop);
  }
  const bool listed = value.is(SequenceKind::kList) || value.is(SequenceKind::kTuple);
  return listed && !(value.is(SequenceKind::kTuple) && name == "copy") ? in(kList) : nullptr;
}

bool is_any(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The sandbox of chat templates forbids what changes a list or dict.
bool changes_container(const TemplateValue& value, std::string_view name) {
  if (value.is_dict()) {
    return is_any(name, {"clear", "pop", "popitem", "setdefault", "update"});
  }
  return value.is(SequenceKind::kList) &&
         is_any(name, {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"});
}

// Methods that Python has and we do not: used, they are an error and not an undefined value.
bool is_unknown_method(const TemplateValue& value, std::string_view name) {
  if (value.is_dict()) {
    return name == "fromkeys";
  }
  return value.is_text() &&
         is_any(name, {"casefold", "encode", "format_map", "maketrans", "translate"});
}

// Methods of an escaped text give escaped texts.
TemplateValue marked_as(const TemplateValue& self, TemplateValue result) {
  if (!self.is_markup()) {
    return result;
  }
  if (result.is_text()) {
    return TemplateValue::markup(result.text());
  }
  if (!result.is_sequence()) {
    return result;
  }
  std::vector<TemplateValue> items;
  for (const TemplateValue& item : result.items()) {
    items.push_back(item.is_text() ? TemplateValue::markup(item.text()) : item);
  }
  return TemplateValue::sequence(result.sequence()->kind, std::move(items));
}

}  // namespace

std::optional<TemplateValue> bound_method(TemplateContext& context, const TemplateValue& value,
                                          const std::string& name) {
  if (changes_container(value, name)) {
    return TemplateValue::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, value.type_name()));
  }
  if (is_unknown_method(value, name)) {
    context.unsupported(fmt::format("the method {}.{} is not supported", value.type_name(), name));
  }
  const TemplateMethod method =
      value.is_text() ? find_text_method(name) : find_container_method(value, name);
  if (method == nullptr) {
    return std::nullopt;
  }
  auto call = [value, method](TemplateContext& inner, const TemplateArguments& given) {
    inner.spend_bytes(value.is_text() ? value.text().size() : 0);
    return marked_as(value, method(inner, value, given));
  };
  return TemplateValue::callable({name, std::move(call)});
}

}  // namespace peft
