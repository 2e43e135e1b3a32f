#include "peft/config/names.h"

#include <fmt/format.h>

#include "peft/util/json.h"

namespace peft {
namespace {

std::optional<KeyMatch> find_in(Section section, std::string_view name,
                                std::string_view peft_type) {
  for (const Key& key : keys_of(section, peft_type)) {
    if (key.name == name) {
      return KeyMatch{section, &key, nullptr};
    }
  }
  for (const Key& key : keys_of(section, peft_type)) {
    for (const Alias& alias : key.aliases) {
      if (alias.name == name) {
        return KeyMatch{section, &key, &alias};
      }
    }
  }
  return std::nullopt;
}

/// Canonical names first: of two equally near names the canonical one is suggested.
void add_names(Section section, std::string_view peft_type, std::vector<std::string>& names) {
  for (const Key& key : keys_of(section, peft_type)) {
    names.push_back(key.name);
  }
  for (const Key& key : keys_of(section, peft_type)) {
    for (const Alias& alias : key.aliases) {
      names.push_back(alias.name);
    }
  }
}

bool starts_with_member_of(std::string_view name, std::string_view parent) {
  return name.size() > parent.size() && name.starts_with(parent) && name[parent.size()] == '.';
}

}  // namespace

std::string KeyMatch::path() const {
  return section_name(section) + "." + key->name;
}

std::optional<KeyMatch> find_key(std::optional<Section> section, std::string_view name,
                                 std::string_view peft_type) {
  if (section) {
    if (auto match = find_in(*section, name, peft_type)) {
      return match;
    }
    const std::string nested = section_name(*section) + "." + std::string(name);
    return find_key(std::nullopt, nested, peft_type);
  }
  for (const Section each : kSections) {
    if (auto match = find_in(each, name, peft_type)) {
      return match;
    }
  }
  return std::nullopt;
}

std::optional<Section> find_section(std::string_view name) {
  for (const Section section : kSections) {
    if (name == section_name(section)) {
      return section;
    }
  }
  return name == "peft" ? std::optional(Section::kAdapter) : std::nullopt;
}

const Lookalike* find_lookalike(std::string_view name) {
  for (const Lookalike& lookalike : lookalikes()) {
    if (lookalike.name == name) {
      return &lookalike;
    }
  }
  return nullptr;
}

bool is_nested_name(std::string_view name) {
  for (const Section section : kSections) {
    for (const Key& key : keys_of(section)) {
      for (const Alias& alias : key.aliases) {
        if (starts_with_member_of(alias.name, name)) {
          return true;
        }
      }
    }
  }
  for (const Lookalike& lookalike : lookalikes()) {
    if (starts_with_member_of(lookalike.name, name)) {
      return true;
    }
  }
  return false;
}

std::string name_hint(std::optional<Section> section, std::string_view name,
                      std::string_view peft_type) {
  std::vector<std::string> names;
  if (section) {
    if (const auto elsewhere = find_key(std::nullopt, name, peft_type)) {
      return fmt::format("; it belongs to \"{}\"", section_name(elsewhere->section));
    }
    add_names(*section, peft_type, names);
  } else {
    for (const Section each : kSections) {
      names.push_back(section_name(each));
    }
    for (const Section each : kSections) {
      add_names(each, peft_type, names);
    }
  }
  return did_you_mean(name, names);
}

}  // namespace peft
