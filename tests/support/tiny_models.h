#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "support/fixtures.h"

namespace peft {

/// The tiny checkpoints below fixtures/models that have `file`.
inline std::vector<std::string> tiny_models_with(const std::string& file) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("models"))) {
    if (std::filesystem::exists(entry.path() / file)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// One tiny checkpoint per architecture: those that the reference has trained.
inline std::vector<std::string> tiny_architectures() {
  return tiny_models_with("lora/training.json");
}

/// The same with a classifier of every kind of head behind them.
inline std::vector<std::string> tiny_architectures_and_classifiers() {
  std::vector<std::string> names = tiny_architectures();
  names.insert(names.end(), {"classifiers/bert", "classifiers/roberta", "classifiers/llama"});
  return names;
}

/// The name as GoogleTest takes it.
inline std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

}  // namespace peft
