#pragma once

#include <string>
#include <vector>

#include "peft/config/run_config.h"

namespace peft {

/// Resolves a document called run.json with `--set` arguments.
inline ResolvedConfig resolve(const std::string& text, const std::vector<std::string>& flags = {}) {
  JsonPositions positions;
  const Json document = parse_json<UsageError>(text, "run.json", {}, &positions);
  std::vector<Override> overrides;
  for (const std::string& flag : flags) {
    overrides.push_back(parse_override(flag));
  }
  return resolve_config(document, positions, "run.json", overrides);
}

/// The message of the refusal, or "" when the document is accepted.
inline std::string refusal(const std::string& text, const std::vector<std::string>& flags = {}) {
  try {
    resolve(text, flags);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A complete file but for the members given.
inline std::string flat(const std::string& members) {
  return R"({"model": "m", "train": "t.jsonl", "output_dir": "out")" +
         (members.empty() ? "" : ",\n " + members) + "}";
}

}  // namespace peft
