#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "peft/config/keys.h"

namespace peft {

/// A key found by one of its names.
struct KeyMatch {
  Section section;
  const Key* key;
  const Alias* alias;  ///< null when the canonical name was used

  /// "training.learning_rate".
  std::string path() const;
};

/// The key that `name` means inside `section`, or anywhere when no section is given (flat files).
/// A section's member may also be another tool's nested name ("model.lora_rank").
std::optional<KeyMatch> find_key(std::optional<Section> section, std::string_view name,
                                 std::string_view peft_type = "LORA");

/// The section called `name` ("peft" is "adapter"); absent if there is none.
std::optional<Section> find_section(std::string_view name);

/// The look-alike called `name`, or null.
const Lookalike* find_lookalike(std::string_view name);

/// True if some alias or look-alike is nested under `name` ("lora_parameters").
bool is_nested_name(std::string_view name);

/// What to say about an unknown name: the nearest known name, or the section it belongs to.
std::string name_hint(std::optional<Section> section, std::string_view name,
                      std::string_view peft_type = "LORA");

}  // namespace peft
