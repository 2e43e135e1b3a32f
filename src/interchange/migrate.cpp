#include "peft/interchange/migrate.h"

#include <algorithm>
#include <array>

#include "migration.h"
#include "peft/config/keys.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using ToolTable = const MigrationTool& (*)();

constexpr std::array<ToolTable, 7> kTools = {
    trl_tool, axolotl_tool, llamafactory_tool, mlx_tool, torchtune_tool, swift_tool, unsloth_tool};

const MigrationTool& find_tool(const std::string& name) {
  for (const ToolTable table : kTools) {
    if (table().name == name) {
      return table();
    }
  }
  fail<UsageError>("--from: expected {}, found \"{}\"{}", join(migration_tools(), ", "),
                   escaped(name), did_you_mean(name, migration_tools()));
}

/// "data.train" -> ("data", "train").
std::pair<std::string, std::string> split_path(const std::string& path) {
  const size_t dot = path.find('.');
  return {path.substr(0, dot), path.substr(dot + 1)};
}

std::vector<std::string> rule_names(const MigrationTool& tool) {
  std::vector<std::string> names = tool.ignored;
  for (const MigrationRule& rule : tool.rules) {
    names.push_back(rule.key);
  }
  return names;
}

/// True for "wandb_project" under "wandb_*".
bool matches(const std::string& name, const std::string& pattern) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                : name == pattern;
}

}  // namespace

std::vector<std::string> migration_tools() {
  std::vector<std::string> names;
  for (const ToolTable table : kTools) {
    names.push_back(table().name);
  }
  return names;
}

Json MigrationWork::ours(const std::string& path) const {
  const auto [section, key] = split_path(path);
  const Json& values = result_.config.at(section);
  return values.contains(key) ? values.at(key) : Json();
}

void MigrationWork::set(const std::string& path, Json value) {
  const auto [section, key] = split_path(path);
  result_.config[section][key] = std::move(value);
}

void MigrationWork::erase(const std::string& path) {
  const auto [section, key] = split_path(path);
  result_.config[section].erase(key);
}

std::string MigrationWork::at(const ForeignKey& key) const {
  return key.line > 0
             ? fmt::format("{}:{}: {}", theirs_.file().string(), key.line, escaped(key.name))
             : fmt::format("{}: {}", theirs_.file().string(), escaped(key.name));
}

void MigrationWork::changed(const ForeignKey& key, const std::string& text) {
  result_.changed.push_back(at(key) + ": " + text);
}

void MigrationWork::left(const ForeignKey& key, const std::string& why) {
  result_.left.push_back(at(key) + ": " + why);
}

void MigrationWork::refuse(const ForeignKey& key, const std::string& text) {
  refused_.push_back(at(key) + ": " + text);
}

void MigrationWork::apply(const MigrationRule& rule, const ForeignKey& key) {
  const bool neutral =
      std::find(rule.neutral.begin(), rule.neutral.end(), key.value) != rule.neutral.end();
  if (neutral) {
    return;
  }
  if (rule.ours.empty() && rule.translate == nullptr) {
    if (!rule.why.empty()) {
      left(key, rule.why);
    }
    return;
  }
  Json value = rule.translate == nullptr ? key.value : rule.translate(key, *this);
  if (value.is_null() || rule.ours.empty()) {
    return;
  }
  if (!rule.why.empty()) {
    changed(key, fmt::format("{} {}: {}", rule.ours, value.dump(), rule.why));
  }
  set(rule.ours, std::move(value));
}

/// A key that the tool does not have: a name that means something else elsewhere is refused.
void MigrationWork::unknown(const ForeignKey& key) {
  const std::string leaf = key.name.substr(key.name.rfind('.') + 1);
  for (const Lookalike& entry : lookalikes()) {
    if (entry.name == key.name || entry.name == leaf) {
      std::string text = entry.message;
      if (text.find("{r}") != std::string::npos) {
        text = "mlx-lm's scale is alpha / r, and no key of " + tool_.title +
               "; write lora_alpha: scale x r";
      }
      refuse(key, text);
      return;
    }
  }
  left(key, fmt::format("no key of {} that is known here{}", tool_.title,
                        did_you_mean(key.name, rule_names(tool_))));
}

void MigrationWork::write_defaults() {
  std::vector<std::string> written;
  for (const MigrationDefault& entry : tool_.defaults) {
    const bool given = has(entry.ours) || std::any_of(entry.unless.begin(), entry.unless.end(),
                                                      [&](const auto& path) { return has(path); });
    const bool of_full = ours("adapter.peft_type") == "FULL" && entry.ours.starts_with("adapter.");
    if (!given && !of_full) {
      set(entry.ours, entry.value);
      written.push_back(fmt::format("{} {}", entry.ours, entry.value.dump()));
    }
  }
  if (!written.empty()) {
    result_.defaults = fmt::format("{}: not given, so {}'s own: {}", theirs_.file().string(),
                                   tool_.title, join(written, ", "));
  }
}

/// Where a tool lets one key win over another, only the winner is written.
void MigrationWork::settle_pairs() {
  for (const ExclusivePair& pair : exclusive_pairs()) {
    if (has(pair.second)) {
      erase(pair.first);
    }
  }
}

/// A full fine-tuning has no adapter keys beside its type.
void MigrationWork::drop_adapter_keys_of_full() {
  if (ours("adapter.peft_type") == "FULL") {
    result_.config["adapter"] = {{"peft_type", "FULL"}};
  }
}

Migration MigrationWork::run() {
  for (const ForeignKey& key : theirs_.keys()) {
    if (key.value.is_null()) {
      continue;
    }
    const auto rule =
        std::find_if(tool_.rules.begin(), tool_.rules.end(),
                     [&](const MigrationRule& entry) { return entry.key == key.name; });
    if (rule != tool_.rules.end()) {
      apply(*rule, key);
    } else if (std::none_of(tool_.ignored.begin(), tool_.ignored.end(),
                            [&](const auto& pattern) { return matches(key.name, pattern); })) {
      unknown(key);
    }
  }
  if (tool_.finish != nullptr) {
    tool_.finish(*this);
  }
  check<UsageError>(refused_.empty(), "{}", join(refused_, "\n"));
  settle_pairs();
  write_defaults();
  drop_adapter_keys_of_full();
  return std::move(result_);
}

Migration migrate_config(const std::filesystem::path& file, const std::string& tool) {
  const MigrationTool& table = find_tool(tool);
  const ForeignConfig theirs(file);
  return MigrationWork(theirs, table).run();
}

}  // namespace peft
