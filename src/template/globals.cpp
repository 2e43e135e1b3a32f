#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

int64_t range_bound(TemplateContext& context, const Value& value) {
  if (!value.as_integer()) {
    context.refuse(fmt::format("range: expected an integer, found {}",
                               value.is_undefined() ? value.why_undefined() : value.type_name()));
  }
  // Far beyond any range we give, and safe to subtract.
  return std::clamp(*value.as_integer(), -(int64_t{1} << 60), int64_t{1} << 60);
}

Value range(TemplateContext& context, const Given& given) {
  const BoundArguments bound(context, "range", given, {"start", "stop", "step"}, 1);
  const bool single = bound[1] == nullptr;
  const int64_t begin = single ? 0 : range_bound(context, *bound[0]);
  const int64_t end = range_bound(context, single ? *bound[0] : *bound[1]);
  const int64_t step = bound[2] == nullptr ? 1 : range_bound(context, *bound[2]);
  if (step == 0) {
    context.refuse("range() arg 3 must not be zero");
  }
  const int64_t distance = step > 0 ? end - begin : begin - end;
  const int64_t width = std::abs(step);
  const int64_t size = distance > 0 ? (distance - 1) / width + 1 : 0;
  context.spend_range(size);
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    items.push_back(Value::integer(begin + i * step));
  }
  return Value::sequence(SequenceKind::kRange, std::move(items));
}

TemplateDict dict_of(TemplateContext& context, std::string_view callee, const Given& given) {
  TemplateDict dict;
  const bool copies = given.positional.size() == 1 && given.positional[0].is_dict();
  if (!given.positional.empty() && !copies) {
    context.unsupported(fmt::format("{}: expected one mapping or named arguments", callee));
  }
  if (copies) {
    dict = given.positional[0].dict();
  }
  for (const auto& [name, value] : given.named) {
    dict.set(Value::text(name), value);
  }
  return dict;
}

Value make_dict(TemplateContext& context, const Given& given) {
  return context.dict(dict_of(context, "dict", given));
}

Value make_namespace(TemplateContext& context, const Given& given) {
  TemplateDict attributes = dict_of(context, "namespace", given);
  for (const auto& [name, value] : attributes.entries()) {
    if (name.is_text() && name.text().starts_with('_')) {
      context.unsupported(fmt::format("a namespace cannot store \"{}\"", name.text()));
    }
  }
  return context.name_space(std::move(attributes));
}

Value raise_exception(TemplateContext& context, const Given& given) {
  const BoundArguments bound(context, "raise_exception", given, {"message"}, 1);
  fail<DataError>("the chat template refuses this conversation: {}",
                  escaped(to_text(context, *bound[0])));
}

Value strftime_now(TemplateContext& context, const Given& given) {
  const std::string format =
      BoundArguments(context, "strftime_now", given, {"format"}, 1).text_or(0, "");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  // Every conversion of strftime stays under 64 bytes.
  std::string text(format.size() * 64 + 1, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return context.text(std::move(text));
}

Value global(std::string name, Value (*call)(TemplateContext&, const Given&)) {
  return Value::callable({std::move(name), call});
}

}  // namespace

std::vector<std::pair<std::string, TemplateValue>> template_globals() {
  std::vector<std::pair<std::string, TemplateValue>> globals;
  static constexpr std::pair<const char*, Value (*)(TemplateContext&, const Given&)> kFunctions[] =
      {{"range", range},
       {"dict", make_dict},
       {"namespace", make_namespace},
       {"raise_exception", raise_exception},
       {"strftime_now", strftime_now}};
  for (const auto& [name, call] : kFunctions) {
    globals.emplace_back(name, global(name, call));
  }
  return globals;
}

}  // namespace peft
