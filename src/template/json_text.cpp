#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

std::string quoted(std::string_view text, bool ascii) {
  static constexpr std::string_view kShort = "\"\\\n\r\t\f\b";
  static constexpr std::string_view kLetters = "\"\\nrtfb";
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    const size_t letter = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    if (letter != std::string_view::npos) {
      out += '\\';
      out += kLetters[letter];
    } else if (c >= 0x10000 && ascii) {
      const auto rest = static_cast<uint32_t>(c) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else if (c < 0x20 || (c > 0x7E && ascii)) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      append_utf8(out, c);
    }
  }
  return out + '"';
}

std::string number(const TemplateValue& value) {
  if (value.is_boolean()) {
    return value.boolean() ? "true" : "false";
  }
  if (const auto integer = value.as_integer()) {
    return fmt::format("{}", *integer);
  }
  if (std::isnan(value.real())) {
    return "NaN";
  }
  if (std::isinf(value.real())) {
    return value.real() > 0 ? "Infinity" : "-Infinity";
  }
  return python_real(value.real());
}

class JsonWriter {
 public:
  JsonWriter(TemplateContext& context, const JsonStyle& style) : context_(context), style_(style) {}

  std::string write(const TemplateValue& value) {
    append(value, 0);
    return std::move(out_);
  }

 private:
  void append(const TemplateValue& value, size_t level) {
    context_.spend(1);
    if (value.is_text()) {
      context_.spend_bytes(value.text().size());
      out_ += quoted(value.text(), style_.ascii);
    } else if (value.is_number()) {
      out_ += number(value);
    } else if (value.is_none()) {
      out_ += "null";
    } else if (value.is_dict()) {
      append_dict(value.dict(), level);
    } else if (value.is(SequenceKind::kList) || value.is(SequenceKind::kTuple)) {
      append_list(value.items(), level);
    } else {
      context_.refuse(fmt::format("Object of type {} is not JSON serializable", value.type_name()));
    }
    context_.check_text(out_.size());
  }

  void append_list(const std::vector<TemplateValue>& items, size_t level) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      separate(i == 0, level + 1);
      append(items[i], level + 1);
    }
    close(items.empty(), ']', level);
  }

  void append_dict(const TemplateDict& dict, size_t level) {
    auto entries = dict.entries();
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
        return is_less(context_, a.first, b.first);
      });
    }
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : entries) {
      separate(std::exchange(first, false), level + 1);
      out_ += quoted(key_text(key), style_.ascii) + style_.key_separator;
      append(value, level + 1);
    }
    close(entries.empty(), '}', level);
  }

  std::string key_text(const TemplateValue& key) const {
    if (key.is_text()) {
      return key.text();
    }
    if (!key.is_number() && !key.is_none()) {
      context_.refuse("keys must be str, int, float, bool or None");
    }
    return key.is_none() ? "null" : number(key);
  }

  void separate(bool first, size_t level) {
    out_ += first ? "" : style_.item_separator;
    new_line(level);
  }

  void close(bool empty, char bracket, size_t level) {
    if (!empty) {
      new_line(level);
    }
    out_ += bracket;
  }

  void new_line(size_t level) {
    if (!style_.indent) {
      return;
    }
    context_.expect_text(style_.indent->size() * level);
    out_ += '\n';
    for (size_t i = 0; i < level; ++i) {
      out_ += *style_.indent;
    }
  }

  TemplateContext& context_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

std::string to_json_text(TemplateContext& context, const TemplateValue& value,
                         const JsonStyle& style) {
  return JsonWriter(context, style).write(value);
}

}  // namespace peft
