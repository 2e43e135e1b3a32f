#pragma once

#include <filesystem>
#include <string>

#include "peft/config/model_sizes.h"
#include "peft/config/run_config.h"

namespace peft {

/// A committed tiny checkpoint.
inline HfDirectory tiny_model(const std::string& name) {
  return HfDirectory(std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures/models" / name);
}

/// A run file's sections with defaults where nothing is given.
inline ResolvedConfig run_of(const Json& adapter, const Json& training = Json::object(),
                             const Json& data = Json::object()) {
  Json document = {{"model", "-"}, {"adapter", adapter}, {"data", data}, {"training", training}};
  document["data"]["train"] = "-";
  document["training"]["output_dir"] = "-";
  return resolve_config(document, {}, "test", {});
}

}  // namespace peft
