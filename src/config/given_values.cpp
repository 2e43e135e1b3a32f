#include "peft/config/given_values.h"

#include <fmt/format.h>

#include <filesystem>

#include "peft/config/methods.h"
#include "peft/config/value_check.h"
#include "peft/util/text.h"

namespace peft {
namespace {

std::string pointer_to(const std::string& parent, std::string_view member) {
  std::string pointer = parent + "/";
  for (const char c : member) {
    pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return pointer;
}

/// `pattern` with {r} and {alpha} filled in.
std::string filled(std::string pattern, const Json& r, const Json& value) {
  const auto replace = [&](const std::string& what, const std::string& by) {
    const size_t at = pattern.find(what);
    if (at != std::string::npos) {
      pattern.replace(at, what.size(), by);
    }
  };
  replace("{r}", r.dump());
  replace("{alpha}", value.is_number() ? fmt::format("{}", value.get<double>() * r.get<double>())
                                       : "scale * r");
  return pattern;
}

/// True for names that are paths rather than words: a missing folder is then a missing adapter.
bool looks_like_path(const std::string& text) {
  return text.find('/') != std::string::npos || std::filesystem::is_directory(text);
}

}  // namespace

std::string GivenValue::origin(const std::string& path) const {
  const std::string leaf = path.substr(path.find('.') + 1);
  return name == path || name == leaf ? where : fmt::format("{} (as {})", where, escaped(name));
}

std::string GivenValues::Entry::spelling() const {
  return section && name.empty() ? section_name(*section)
         : section               ? section_name(*section) + "." + name
                                 : name;
}

const GivenValue* GivenValues::find(const std::string& path) const {
  const auto found = values_.find(path);
  return found == values_.end() || found->second.value.is_null() ? nullptr : &found->second;
}

void GivenValues::add_fault(const std::string& where, const std::string& name,
                            const std::string& fault) {
  faults_.push_back(fmt::format("{}: {}: {}", where, escaped(name), fault));
}

void GivenValues::add_document(const Json& document, const JsonPositions& positions,
                               const std::string& file) {
  positions_ = &positions;
  file_ = file;
  from_flag_ = false;
  if (!document.is_object()) {
    faults_.push_back(
        fmt::format("{}: expected an object with the sections model, adapter, data "
                    "and training, found {}",
                    file, json_kind(document)));
    return;
  }
  for (const auto& [name, value] : document.items()) {
    add_member(name, value, pointer_to("", name));
  }
}

void GivenValues::add_override(const Override& flag) {
  positions_ = nullptr;
  from_flag_ = true;
  const size_t dot = flag.name.find('.');
  const auto section =
      dot == std::string::npos ? std::nullopt : find_section(flag.name.substr(0, dot));
  if (section) {
    add_entry(section, flag.name.substr(dot + 1), flag.value, where_of(""));
  } else {
    add_member(flag.name, flag.value, "");
  }
}

std::string GivenValues::where_of(const std::string& pointer) const {
  if (positions_ == nullptr) {
    return "--set";
  }
  const auto found = positions_->find(pointer);
  return found == positions_->end()
             ? file_
             : fmt::format("{}:{}:{}", file_, found->second.line, found->second.column);
}

void GivenValues::add_entry(std::optional<Section> section, const std::string& name,
                            const Json& value, const std::string& where) {
  entries_.push_back({section, name, value, where, from_flag_});
}

void GivenValues::add_member(const std::string& name, const Json& value,
                             const std::string& pointer) {
  if (const auto section = find_section(name)) {
    add_section(*section, name, value, pointer);
  } else if (value.is_object() && is_nested_name(name)) {
    for (const auto& [member, member_value] : value.items()) {
      add_entry(std::nullopt, name + "." + member, member_value,
                where_of(pointer_to(pointer, member)));
    }
  } else {
    add_entry(std::nullopt, name, value, where_of(pointer));
  }
}

void GivenValues::add_section(Section section, const std::string& name, const Json& value,
                              const std::string& pointer) {
  if (!from_flag_) {
    const auto [earlier, is_new] = section_names_.emplace(section_name(section), name);
    if (!is_new) {
      add_fault(where_of(pointer), name,
                fmt::format("the same section as \"{}\"; keep one", earlier->second));
      return;
    }
  }
  if (!value.is_object()) {
    add_plain_section(section, name, value, where_of(pointer));
    return;
  }
  for (const auto& [member, member_value] : value.items()) {
    const bool nested =
        member_value.is_object() && !find_key(section, member) && is_nested_name(member);
    if (!nested) {
      add_entry(section, member, member_value, where_of(pointer_to(pointer, member)));
      continue;
    }
    for (const auto& [inner, inner_value] : member_value.items()) {
      add_entry(section, member + "." + inner, inner_value,
                where_of(pointer_to(pointer_to(pointer, member), inner)));
    }
  }
}

void GivenValues::add_plain_section(Section section, const std::string& name, const Json& value,
                                    const std::string& where) {
  if (value.is_null()) {
    return;
  }
  if (section == Section::kModel && value.is_string()) {
    add_entry(section, "name_or_path", value, where);
  } else if (section == Section::kData && (value.is_string() || value.is_array())) {
    add_entry(section, "train", value, where);
  } else if (section == Section::kAdapter && value.is_string()) {
    const std::string text = value.get<std::string>();
    if (find_method(text) != nullptr) {
      add_entry(section, "peft_type", find_method(text)->peft_type, where);
    } else if (looks_like_path(text)) {
      add_entry(section, "path", value, where);
    } else {
      std::vector<std::string> names;
      for (const Method& method : methods()) {
        names.push_back(method.name);
      }
      add_fault(where, name,
                fmt::format("expected a method ({}) or an adapter folder, found {}{}",
                            available_methods(), json_excerpt(value), did_you_mean(text, names)));
    }
  } else {
    add_fault(where, name, fmt::format("expected an object, found {}", json_excerpt(value)));
  }
}

std::string GivenValues::peft_type() const {
  std::string type = methods().front().peft_type;
  for (const Entry& entry : entries_) {
    const auto match = find_key(entry.section, entry.name);
    if (match && match->path() == "adapter.peft_type" && entry.value.is_string()) {
      const Method* method = find_method(entry.value.get<std::string>());
      type = method != nullptr ? method->peft_type : type;
    }
  }
  return type;
}

Json GivenValues::rank_in_sight() const {
  Json rank = 16;
  for (const Entry& entry : entries_) {
    const auto match = find_key(entry.section, entry.name);
    if (match && match->path() == "adapter.r" && entry.value.is_number_integer()) {
      rank = entry.value;
    }
  }
  return rank;
}

void GivenValues::resolve() {
  const std::string type = peft_type();
  for (const Entry& entry : entries_) {
    resolve_entry(entry, type);
  }
}

bool GivenValues::refuse_lookalike(const Entry& entry) {
  const Lookalike* lookalike = find_lookalike(entry.name);
  if (lookalike == nullptr) {
    return false;
  }
  add_fault(entry.where, entry.spelling(),
            filled(lookalike->message, rank_in_sight(), entry.value));
  return true;
}

void GivenValues::resolve_entry(const Entry& entry, const std::string& type) {
  const auto match = find_key(entry.section, entry.name, type);
  if (!match) {
    if (!refuse_lookalike(entry)) {
      add_fault(entry.where, entry.spelling(),
                "unknown key" + name_hint(entry.section, entry.name, type));
    }
    return;
  }
  CheckedValue checked = checked_value(*match->key, match->alias, entry.value);
  if (!checked.fault.empty()) {
    add_fault(entry.where, entry.spelling(), checked.fault);
    return;
  }
  keep(*match, entry, std::move(checked.value));
}

void GivenValues::keep(const KeyMatch& match, const Entry& entry, Json value) {
  const std::string path = match.path();
  const bool column = match.alias != nullptr && path == "data.columns";
  const auto earlier = values_.find(path);
  GivenValue given{std::move(value), entry.where, entry.spelling(), entry.from_flag, column};
  if (earlier == values_.end()) {
    values_.emplace(path, std::move(given));
    return;
  }
  GivenValue& other = earlier->second;
  if (column && other.column && other.from_flag == given.from_flag) {
    other.value.update(given.value);
    return;
  }
  if (other.from_flag == given.from_flag && other.name != given.name) {
    if (!given.value.is_null() && !other.value.is_null()) {
      add_fault(entry.where, given.name,
                fmt::format("the same key as \"{}\" ({}); keep one", other.name, other.where));
    } else if (other.value.is_null()) {
      other = std::move(given);
    }
    return;
  }
  if (other.from_flag) {
    notes_.push_back(fmt::format("--set {} was given twice; the last, {}, counts", given.name,
                                 json_excerpt(given.value)));
  }
  other = std::move(given);
}

}  // namespace peft
