#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

TemplateValue texts(TemplateContext& context, std::vector<std::string> parts,
                    SequenceKind kind = SequenceKind::kList) {
  std::vector<TemplateValue> items;
  for (std::string& part : parts) {
    items.push_back(TemplateValue::text(std::move(part)));
  }
  return context.sequence(kind, std::move(items));
}

const std::string& text_argument(TemplateContext& context, const TemplateValue& value) {
  if (!value.is_text()) {
    context.refuse(fmt::format("must be str, not {}", value.type_name()));
  }
  return value.text();
}

template <StripSides kSides>
TemplateValue strip(TemplateContext& context, const TemplateValue& self,
                    const TemplateArguments& given) {
  const BoundArguments bound(context, "strip", given, {"chars"});
  const std::string chars = bound.text_or(0, "");
  const bool all_space = bound[0] == nullptr || bound[0]->is_none();
  const auto set = all_space ? std::nullopt : std::optional<std::string_view>(chars);
  context.spend_characters(self.text().size());
  return context.text(std::string(python_strip(self.text(), kSides, set)));
}

template <bool kFromRight>
TemplateValue split(TemplateContext& context, const TemplateValue& self,
                    const TemplateArguments& given) {
  const BoundArguments bound(context, "split", given, {"sep", "maxsplit"});
  const std::string separator = bound.text_or(0, "");
  const bool by_space = bound[0] == nullptr || bound[0]->is_none();
  if (!by_space && separator.empty()) {
    context.refuse("empty separator");
  }
  context.spend_search(self.text().size(), separator.size());
  context.expect_items(by_space ? self.text().size() / 2 : self.text().size() / separator.size());
  return texts(context,
               python_split(self.text(),
                            by_space ? std::nullopt : std::optional<std::string_view>(separator),
                            bound.integer_or(1, -1), kFromRight));
}

// The parts around the first (or last) separator, with it between them.
template <bool kFromRight>
TemplateValue partition(TemplateContext& context, const TemplateValue& self,
                        const TemplateArguments& given) {
  const std::string separator =
      BoundArguments(context, "partition", given, {"sep"}, 1).text_or(0, "");
  const std::string& text = self.text();
  if (separator.empty()) {
    context.refuse("empty separator");
  }
  context.spend_search(text.size(), separator.size());
  const size_t at = kFromRight ? find_last_part(text, separator) : find_part(text, separator);
  if (at == std::string::npos) {
    return texts(context,
                 kFromRight ? std::vector<std::string>{"", "", text}
                            : std::vector<std::string>{text, "", ""},
                 SequenceKind::kTuple);
  }
  return texts(context, {text.substr(0, at), separator, text.substr(at + separator.size())},
               SequenceKind::kTuple);
}

TemplateValue lines(TemplateContext& context, const TemplateValue& self,
                    const TemplateArguments& given) {
  const BoundArguments bound(context, "splitlines", given, {"keepends"});
  context.expect_items(self.text().size() / 2);
  return texts(context, python_lines(self.text(), /*keep_ends=*/bound.flag(0)));
}

// The part of a text that the arguments `start` and `end` of find and its like name.
struct TextRange {
  std::string_view text;
  int64_t begin = 0;   // code points in front of it
  bool exists = true;  // false: not even an empty part is found there
};

TextRange range_of(TemplateContext& context, const std::string& text, const BoundArguments& bound) {
  if (bound[1] == nullptr && bound[2] == nullptr) {
    return {text};
  }
  context.spend_characters(text.size());
  const int64_t size = count_code_points(text);
  const auto place = [&](size_t parameter, int64_t otherwise) {
    const int64_t given = bound.integer_or(parameter, otherwise);
    return std::max<int64_t>(given < 0 ? given + size : given, 0);
  };
  const int64_t begin = place(1, 0);
  const int64_t end = std::min(place(2, size), size);
  if (begin > end) {
    return {{}, begin, false};
  }
  const size_t from = code_point_offset(text, begin);
  return {std::string_view(text).substr(from, code_point_offset(text, end) - from), begin};
}

// startswith and endswith take one string or a tuple of them.
template <bool kStart>
TemplateValue has_affix(TemplateContext& context, const TemplateValue& self,
                        const TemplateArguments& given) {
  const BoundArguments bound(context, kStart ? "startswith" : "endswith", given,
                             {"affix", "start", "end"}, 1);
  const TextRange range = range_of(context, self.text(), bound);
  const auto fits = [&](const TemplateValue& affix) {
    if (!affix.is_text()) {
      context.refuse(fmt::format("{} first arg must be str or a tuple of str, not {}",
                                 kStart ? "startswith" : "endswith", affix.type_name()));
    }
    return range.exists &&
           (kStart ? range.text.starts_with(affix.text()) : range.text.ends_with(affix.text()));
  };
  if (!bound[0]->is(SequenceKind::kTuple)) {
    return TemplateValue::boolean(fits(*bound[0]));
  }
  const auto& affixes = bound[0]->items();
  return TemplateValue::boolean(std::any_of(affixes.begin(), affixes.end(), fits));
}

template <bool kPrefix>
TemplateValue without_affix(TemplateContext& context, const TemplateValue& self,
                            const TemplateArguments& given) {
  const std::string affix =
      BoundArguments(context, "removeprefix", given, {"affix"}, 1).text_or(0, "");
  const std::string& text = self.text();
  if (kPrefix ? !text.starts_with(affix) : !text.ends_with(affix)) {
    return self;
  }
  return context.text(text.substr(kPrefix ? affix.size() : 0, text.size() - affix.size()));
}

template <std::string (*kConvert)(std::string_view)>
TemplateValue converted(TemplateContext& context, const TemplateValue& self,
                        const TemplateArguments& given) {
  const BoundArguments bound(context, "case conversion", given, {});
  context.spend_characters(self.text().size());
  return context.text(kConvert(self.text()));
}

TemplateValue replace(TemplateContext& context, const TemplateValue& self,
                      const TemplateArguments& given) {
  const BoundArguments bound(context, "replace", given, {"old", "new", "count"}, 2);
  for (size_t i = 0; i < 2; ++i) {
    if (!bound[i]->is_text()) {
      context.refuse(fmt::format("replace() expected str, found {}", bound[i]->type_name()));
    }
  }
  return find_filter("replace")(context, self, given);
}

template <bool kFromRight, bool kMustExist>
TemplateValue find(TemplateContext& context, const TemplateValue& self,
                   const TemplateArguments& given) {
  const BoundArguments bound(context, "find", given, {"sub", "start", "end"}, 1);
  const std::string part = text_argument(context, *bound[0]);
  const TextRange range = range_of(context, self.text(), bound);
  context.spend_search(range.text.size(), part.size());
  const size_t at = !range.exists ? std::string::npos
                    : kFromRight  ? find_last_part(range.text, part)
                                  : find_part(range.text, part);
  if (kMustExist && at == std::string::npos) {
    context.refuse("substring not found");
  }
  return TemplateValue::integer(
      at == std::string::npos ? -1 : range.begin + count_code_points(range.text.substr(0, at)));
}

TemplateValue count(TemplateContext& context, const TemplateValue& self,
                    const TemplateArguments& given) {
  const BoundArguments bound(context, "count", given, {"sub", "start", "end"}, 1);
  const std::string part = text_argument(context, *bound[0]);
  const TextRange range = range_of(context, self.text(), bound);
  context.spend_search(range.text.size(), part.size());
  return TemplateValue::integer(range.exists ? count_occurrences(range.text, part) : 0);
}

TemplateValue join(TemplateContext& context, const TemplateValue& self,
                   const TemplateArguments& given) {
  const BoundArguments bound(context, "join", given, {"iterable"}, 1);
  std::string text;
  bool first = true;
  for (const TemplateValue& item : iterate(context, *bound[0])) {
    if (!item.is_text()) {
      context.refuse(
          fmt::format("sequence item: expected str instance, {} found", item.type_name()));
    }
    text += std::exchange(first, false) ? "" : self.text();
    text += item.text();
    context.check_text(text.size());
    context.spend_bytes(item.text().size() + self.text().size());
  }
  return context.text(std::move(text));
}

TemplateValue format(TemplateContext& context, const TemplateValue& self,
                     const TemplateArguments& given) {
  return context.text(format_braces(context, self.text(), given));
}

}  // namespace

TemplateMethod find_text_method(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateMethod> kMethods = {
      {"capitalize", converted<python_capitalize>},
      {"count", count},
      {"endswith", has_affix<false>},
      {"find", find<false, false>},
      {"format", format},
      {"index", find<false, true>},
      {"join", join},
      {"lower", converted<python_lower>},
      {"lstrip", strip<StripSides::kLeft>},
      {"partition", partition<false>},
      {"removeprefix", without_affix<true>},
      {"removesuffix", without_affix<false>},
      {"replace", replace},
      {"rfind", find<true, false>},
      {"rindex", find<true, true>},
      {"rpartition", partition<true>},
      {"rsplit", split<true>},
      {"rstrip", strip<StripSides::kRight>},
      {"split", split<false>},
      {"splitlines", lines},
      {"startswith", has_affix<true>},
      {"strip", strip<StripSides::kBoth>},
      {"title", converted<python_title>},
      {"upper", converted<python_upper>}};
  if (const auto found = kMethods.find(name); found != kMethods.end()) {
    return found->second;
  }
  const TemplateMethod layout = find_text_layout(name);
  return layout != nullptr ? layout : find_text_class(name);
}

}  // namespace peft
