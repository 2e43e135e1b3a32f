#include <fmt/format.h>

#include <algorithm>

#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

std::string object_name(const TemplateValue& value) {
  return value.is_none() ? "None" : value.type_name() + " object";
}

TemplateValue no_attribute(const TemplateValue& value, std::string_view name) {
  return TemplateValue::undefined(
      fmt::format("'{}' has no attribute '{}'", object_name(value), name));
}

// The sandbox hides Python's insides; nothing legitimate asks for them.
void check_name(TemplateContext& context, const TemplateValue& value, const std::string& name) {
  if (name.starts_with("__")) {
    context.unsupported(
        fmt::format("access to attribute '{}' of '{}' object is unsafe", name, value.type_name()));
  }
}

std::optional<TemplateValue> loop_attribute(const TemplateLoop& loop, const std::string& name) {
  const auto size = static_cast<int64_t>(loop.items->size());
  const auto integer = [](int64_t value) { return TemplateValue::integer(value); };
  const auto neighbour = [&](int64_t index, const char* why) {
    return index >= 0 && index < size ? (*loop.items)[static_cast<size_t>(index)]
                                      : TemplateValue::undefined(why);
  };
  if (name == "index" || name == "index0") {
    return integer(loop.index0 + (name == "index" ? 1 : 0));
  }
  if (name == "revindex" || name == "revindex0") {
    return integer(size - loop.index0 - (name == "revindex" ? 0 : 1));
  }
  if (name == "first" || name == "last") {
    return TemplateValue::boolean(loop.index0 == (name == "first" ? 0 : size - 1));
  }
  if (name == "previtem") {
    return neighbour(loop.index0 - 1, "there is no previous item");
  }
  if (name == "nextitem") {
    return neighbour(loop.index0 + 1, "there is no next item");
  }
  if (name == "length") {
    return integer(size);
  }
  // Only recursive loops nest in Jinja's count.
  return name == "depth" || name == "depth0" ? std::optional(integer(name == "depth" ? 1 : 0))
                                             : std::nullopt;
}

std::optional<TemplateValue> element(const TemplateValue& value, int64_t index) {
  if (!value.is_sequence() || value.sequence()->kind > SequenceKind::kRange) {
    return std::nullopt;
  }
  const auto size = static_cast<int64_t>(value.items().size());
  const int64_t place = index < 0 ? index + size : index;
  return place >= 0 && place < size ? std::optional(value.items()[static_cast<size_t>(place)])
                                    : std::nullopt;
}

std::optional<TemplateValue> character(TemplateContext& context, const std::string& text,
                                       int64_t index) {
  context.spend_bytes(text.size());
  const int64_t size = count_code_points(text);
  const int64_t place = index < 0 ? index + size : index;
  if (place < 0 || place >= size) {
    return std::nullopt;
  }
  const size_t begin = code_point_offset(text, place);
  return TemplateValue::text(text.substr(begin, code_point_offset(text.substr(begin), 1)));
}

// Python's slice.indices: where to begin, where to stop, by which steps.
struct SliceRange {
  int64_t begin, end, step;
};

SliceRange slice_range(TemplateContext& context, int64_t size,
                       const TemplateValue* const bounds[3]) {
  int64_t values[3] = {0, 0, 1};
  for (int i = 0; i < 3; ++i) {
    if (bounds[i] != nullptr && !bounds[i]->as_integer()) {
      context.refuse(
          fmt::format("slice indices must be integers or None, found {}", bounds[i]->type_name()));
    }
    values[i] = bounds[i] != nullptr ? *bounds[i]->as_integer() : values[i];
  }
  const int64_t step = std::max(values[2], -INT64_MAX);
  if (step == 0) {
    context.refuse("slice step cannot be zero");
  }
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? size : size - 1;
  const auto clamped = [&](int64_t bound) {
    return std::clamp(bound < 0 ? bound + size : bound, low, high);
  };
  return {bounds[0] != nullptr ? clamped(values[0]) : (step > 0 ? low : high),
          bounds[1] != nullptr ? clamped(values[1]) : (step > 0 ? high : low), step};
}

template <class Items>
std::vector<typename Items::value_type> picked(const Items& items, const SliceRange& range) {
  std::vector<typename Items::value_type> result;
  const auto step =
      range.step > 0 ? static_cast<uint64_t>(range.step) : static_cast<uint64_t>(-range.step);
  const int64_t distance = range.step > 0 ? range.end - range.begin : range.begin - range.end;
  for (uint64_t i = 0; distance > 0 && i < static_cast<uint64_t>(distance); i += step) {
    const int64_t place = range.begin + (range.step > 0 ? 1 : -1) * static_cast<int64_t>(i);
    result.push_back(items[static_cast<size_t>(place)]);
    if (step > static_cast<uint64_t>(distance)) {
      break;
    }
  }
  return result;
}

}  // namespace

std::optional<int64_t> length(TemplateContext& context, const TemplateValue& value) {
  if (value.is_text()) {
    context.spend_bytes(value.text().size());
    return count_code_points(value.text());
  }
  if (value.is_sequence() && !value.is(SequenceKind::kGenerator)) {
    return static_cast<int64_t>(value.items().size());
  }
  if (value.is_dict()) {
    return static_cast<int64_t>(value.dict().entries().size());
  }
  if (value.is_loop()) {
    return static_cast<int64_t>(value.loop()->items->size());
  }
  return value.is_undefined() ? std::optional<int64_t>(0) : std::nullopt;
}

std::vector<TemplateValue> iterate(TemplateContext& context, const TemplateValue& value) {
  std::vector<TemplateValue> items;
  if (value.is_sequence()) {
    TemplateSequence& sequence = *value.sequence();
    context.expect_items(sequence.items.size());
    if (sequence.kind != SequenceKind::kGenerator) {
      return sequence.items;
    }
    return std::exchange(sequence.consumed, true) ? items : sequence.items;
  }
  if (value.is_text()) {
    context.expect_items(value.text().size());
    for (std::string& character : characters(value.text())) {
      items.push_back(TemplateValue::text(std::move(character)));
    }
    return items;
  }
  if (value.is_dict()) {
    context.expect_items(value.dict().entries().size());
    for (const auto& [key, unused] : value.dict().entries()) {
      items.push_back(key);
    }
    return items;
  }
  if (!value.is_undefined()) {
    context.refuse(fmt::format("'{}' object is not iterable", value.type_name()));
  }
  return items;
}

TemplateValue attribute_of(TemplateContext& context, const TemplateValue& value,
                           const std::string& name) {
  if (value.is_undefined()) {
    context.refuse(value.why_undefined());
  }
  if (value.is_loop()) {
    if (const auto found = loop_attribute(*value.loop(), name)) {
      return *found;
    }
  }
  if (value.is_namespace()) {
    const TemplateValue* found = value.name_space()->attributes.find(name);
    return found == nullptr ? no_attribute(value, name) : *found;
  }
  if (const auto method = bound_method(context, value, name)) {
    return *method;
  }
  if (value.is_dict()) {
    if (const TemplateValue* found = value.dict().find(name)) {
      return *found;
    }
  }
  check_name(context, value, name);
  return no_attribute(value, name);
}

TemplateValue item_of(TemplateContext& context, const TemplateValue& value,
                      const TemplateValue& key) {
  if (value.is_undefined()) {
    context.refuse(value.why_undefined());
  }
  if (value.is_dict()) {
    context.spend_value(key);
    if (const TemplateValue* found = value.dict().find(key)) {
      return *found;
    }
  } else if (const auto index = key.as_integer()) {
    const auto found =
        value.is_text() ? character(context, value.text(), *index) : element(value, *index);
    if (found) {
      return *found;
    }
  }
  if (key.is_text()) {
    return attribute_of(context, value, key.text());
  }
  return TemplateValue::undefined(
      fmt::format("{} has no element {}", object_name(value), representation(context, key)));
}

TemplateValue slice_of(TemplateContext& context, const TemplateValue& value,
                       const TemplateValue* begin, const TemplateValue* end,
                       const TemplateValue* step) {
  const TemplateValue* const bounds[3] = {begin, end, step};
  if (value.is_undefined()) {
    context.refuse(value.why_undefined());
  }
  if (value.is_text()) {
    context.expect_items(value.text().size() / 16);
    const int64_t size = count_code_points(value.text());
    const SliceRange range = slice_range(context, size, bounds);
    std::string text;
    if (range.step == 1) {
      const size_t from = code_point_offset(value.text(), range.begin);
      const size_t to = code_point_offset(value.text(), std::max(range.begin, range.end));
      return context.text(value.text().substr(from, to - from));
    }
    for (const std::string& part : picked(characters(value.text()), range)) {
      text += part;
    }
    return context.text(std::move(text));
  }
  if (!value.is_sequence() || value.sequence()->kind > SequenceKind::kRange) {
    context.refuse(fmt::format("'{}' object cannot be sliced", value.type_name()));
  }
  const auto size = static_cast<int64_t>(value.items().size());
  return context.sequence(value.sequence()->kind,
                          picked(value.items(), slice_range(context, size, bounds)));
}

TemplateValue call_value(TemplateContext& context, const TemplateValue& value,
                         const TemplateArguments& arguments) {
  if (value.is_undefined()) {
    context.refuse(value.why_undefined());
  }
  if (!value.is_callable()) {
    context.refuse(fmt::format("'{}' object is not callable", value.type_name()));
  }
  return value.callable().call(context, arguments);
}

}  // namespace peft
