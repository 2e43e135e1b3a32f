#include <fmt/format.h>

#include "peft/config/keys.h"
#include "peft/config/methods.h"
#include "peft/config/schema.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Text inside a table cell: a bar would end it.
std::string cell(std::string text) {
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) {
    text.insert(at, "\\");
  }
  return text;
}

std::string code(const std::string& text) {
  return "`" + cell(text) + "`";
}

std::string default_text(const Key& key) {
  if (!key.fallback) {
    return "required";
  }
  return key.fallback->is_null() ? cell(key.automatic) : code(key.fallback->dump());
}

std::string other_names(const Key& key) {
  std::vector<std::string> names;
  for (const Alias& alias : key.aliases) {
    names.push_back(code(alias.name));
  }
  return join(names, ", ");
}

std::string table(const std::vector<Key>& keys) {
  std::string text = "| key | takes | default | meaning | also called |\n|---|---|---|---|---|\n";
  for (const Key& key : keys) {
    if (key.support == Support::kUsed) {
      text += fmt::format("| {} | {} | {} | {} | {} |\n", code(key.name), cell(expectation(key)),
                          default_text(key), cell(key.summary), other_names(key));
    }
  }
  return text;
}

/// Keys that are accepted only at values that ask for nothing.
std::string unavailable(const std::vector<Key>& keys) {
  std::string rows;
  for (const Key& key : keys) {
    if (key.support == Support::kNeutral) {
      std::vector<std::string> values;
      for (const Json& value : key.neutral) {
        values.push_back(code(value.dump()));
      }
      rows += fmt::format("| {} | {} | {} |\n", code(key.name),
                          values.empty() ? "`null`" : join(values, ", "), cell(key.missing));
    }
  }
  return rows.empty() ? ""
                      : "\nKnown, and accepted only where they ask for nothing:\n\n"
                        "| key | accepted | why |\n|---|---|---|\n" +
                            rows;
}

std::string ignored(const std::vector<Key>& keys) {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    if (key.support == Support::kNotUsed) {
      names.push_back(code(key.name));
    }
  }
  return names.empty() ? "" : "\nKnown and not used: " + join(names, ", ") + ".\n";
}

std::string section_page(const std::vector<Key>& keys) {
  return table(keys) + unavailable(keys) + ignored(keys);
}

std::string adapter_pages() {
  std::string text =
      "\n## adapter\n\nThe section is an `adapter_config.json`: what PEFT writes is read here. A "
      "plain string is a method or the folder of a stored adapter. A stored adapter is read with "
      "PEFT's own defaults (LoRA: `r` 8, `lora_alpha` 8), not with those below.\n\n" +
      section_page(common_adapter_keys());
  for (const Method& method : methods()) {
    text += fmt::format("\n### {}: {}\n\n", method.peft_type, method.summary);
    text += section_page(method.keys);
  }
  return text;
}

std::string lookalike_page() {
  std::string text =
      "\n## Names that are refused\n\nThey exist in other tools and mean something else than they "
      "seem to, or than any key here.\n\n| name | what the error says |\n|---|---|\n";
  for (const Lookalike& lookalike : lookalikes()) {
    text += fmt::format("| {} | {} |\n", code(lookalike.name), cell(lookalike.message));
  }
  return text;
}

std::string exclusive_page() {
  std::string text = "\n## Pairs of which only one can be given\n\n";
  for (const ExclusivePair& pair : exclusive_pairs()) {
    text += fmt::format("* {} and {}\n", code(pair.first), code(pair.second));
  }
  return text;
}

}  // namespace

std::string config_reference() {
  std::string text =
      "# Run files\n\n"
      "Written by `peft config schema --markdown` from the tables that read the keys.\n\n"
      "A run file is a JSON object with the sections `model`, `adapter` (or `peft`), `data` and "
      "`training`. Leaf names are unique, so a flat file without sections loads too. Unknown keys "
      "are errors. `null` means \"not given\", and so does -1 where a count is expected. "
      "`--set training.seed=7` or a bare `training.seed=7` wins over the file; of two flags the "
      "last wins. Paths are relative to the current directory.\n\n"
      "## model\n\nA plain string is `name_or_path`.\n\n";
  text += section_page(keys_of(Section::kModel));
  text += adapter_pages();
  text += "\n## data\n\nA plain string or a list is `train`.\n\n" +
          section_page(keys_of(Section::kData));
  text += "\n## training\n\n" + section_page(keys_of(Section::kTraining));
  return text + exclusive_page() + lookalike_page();
}

}  // namespace peft
