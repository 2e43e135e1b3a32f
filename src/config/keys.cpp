#include "peft/config/keys.h"

#include <map>

#include "peft/config/methods.h"
#include "section_keys.h"

namespace peft {
namespace {

const std::vector<Key>& adapter_keys(std::string_view peft_type) {
  static const std::map<std::string, std::vector<Key>, std::less<>> tables = [] {
    std::map<std::string, std::vector<Key>, std::less<>> by_type;
    for (const Method& method : methods()) {
      std::vector<Key> keys = common_adapter_keys();
      keys.insert(keys.end(), method.keys.begin(), method.keys.end());
      by_type.emplace(method.peft_type, std::move(keys));
    }
    return by_type;
  }();
  return tables.find(peft_type)->second;
}

}  // namespace

std::string section_name(Section section) {
  switch (section) {
    case Section::kModel:
      return "model";
    case Section::kAdapter:
      return "adapter";
    case Section::kData:
      return "data";
    default:
      return "training";
  }
}

const std::vector<Key>& keys_of(Section section, std::string_view peft_type) {
  switch (section) {
    case Section::kModel:
      return model_keys();
    case Section::kAdapter:
      return adapter_keys(peft_type);
    case Section::kData:
      return data_keys();
    default:
      return training_keys();
  }
}

const std::vector<ExclusivePair>& exclusive_pairs() {
  static const std::vector<ExclusivePair> pairs = {
      {"training.warmup_ratio", "training.warmup_steps", nullptr},
      {"training.gradient_accumulation_steps", "training.global_batch_size", "auto"},
      {"training.num_train_epochs", "training.max_steps", nullptr},
      {"data.eval_split_ratio", "data.eval", 0.0},
  };
  return pairs;
}

}  // namespace peft
