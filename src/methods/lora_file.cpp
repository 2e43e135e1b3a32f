#include "peft/methods/lora_file.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "peft/config/target_selection.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Names of modules in the order in which Hugging Face's decoders have them, from the outside in.
constexpr const char* kModuleOrder[] = {
    "embed_tokens", "wte",       "wpe",       "embed_in",     "layers",       "h",
    "self_attn",    "attn",      "attention", "mlp",          "q_proj",       "k_proj",
    "v_proj",       "o_proj",    "out_proj",  "c_attn",       "qkv_proj",     "query_key_value",
    "dense",        "gate_proj", "up_proj",   "gate_up_proj", "c_fc",         "dense_h_to_4h",
    "fc1",          "down_proj", "c_proj",    "fc2",          "dense_4h_to_h"};

bool is_number(const std::string& part) {
  return !part.empty() && part.size() < 10 &&
         part.find_first_not_of("0123456789") == std::string::npos;
}

/// Place among siblings: of a layer its number, of a known module its line above, then the rest.
int64_t place_of(const std::string& part) {
  if (is_number(part)) {
    return std::stoll(part);
  }
  return std::find(std::begin(kModuleOrder), std::end(kModuleOrder), part) -
         std::begin(kModuleOrder);
}

bool stands_before(const NamedUpdate& a, const NamedUpdate& b) {
  const std::vector<std::string> left = split(a.path, '.');
  const std::vector<std::string> right = split(b.path, '.');
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (left[i] != right[i]) {
      // The head stands behind everything, which its parent's name does not say.
      const std::pair x{left[i] == "lm_head", place_of(left[i])};
      const std::pair y{right[i] == "lm_head", place_of(right[i])};
      return x != y ? x < y : left[i] < right[i];
    }
  }
  return left.size() < right.size();
}

/// The module of a tensor's name, if it ends with `ending`.
std::string path_before(const std::string& name, const std::string& ending) {
  const size_t prefix = std::string(kPeftPrefix).size();
  return name.starts_with(kPeftPrefix) && name.size() > prefix + ending.size() &&
                 name.ends_with(ending)
             ? name.substr(prefix, name.size() - prefix - ending.size())
             : "";
}

double scale_of(const Json& config, const std::string& path, int64_t rank) {
  const double alpha = pattern_value(config.at("alpha_pattern"), path)
                           .value_or(config.at("lora_alpha"))
                           .get<double>();
  const auto r = static_cast<double>(rank);
  return alpha / (config.at("use_rslora").get<bool>() ? std::sqrt(r) : r);
}

/// A whole number is written as one.
Json number(double value) {
  const double whole = std::round(value);
  return std::abs(value - whole) < 1e-12 * std::abs(value) ? Json(static_cast<int64_t>(whole))
                                                           : Json(value);
}

}  // namespace

const NamedUpdate* LoraFile::find(const std::string& path) const {
  for (const NamedUpdate& entry : updates) {
    if (entry.path == path) {
      return &entry;
    }
  }
  return nullptr;
}

int64_t LoraFile::rank() const {
  int64_t largest = 0;
  for (const NamedUpdate& entry : updates) {
    largest = std::max(largest, entry.update.rank());
  }
  return largest;
}

void sort_by_module(std::vector<NamedUpdate>& updates) {
  std::stable_sort(updates.begin(), updates.end(), stands_before);
}

LoraFile take_apart(const StoredAdapter& stored) {
  LoraFile lora{stored.config, {}, {}};
  std::map<std::string, Tensor> b;
  for (const auto& [name, tensor] : stored.tensors) {
    const std::string linear = path_before(name, ".lora_A.weight");
    const std::string embedding = path_before(name, ".lora_embedding_A");
    if (!linear.empty() || !embedding.empty()) {
      lora.updates.push_back(
          {linear + embedding, linear.empty(), {tensor.to(at::kFloat), {}, 0.0}});
    } else if (!path_before(name, ".lora_B.weight").empty()) {
      b[path_before(name, ".lora_B.weight")] = tensor.to(at::kFloat);
    } else if (!path_before(name, ".lora_embedding_B").empty()) {
      b[path_before(name, ".lora_embedding_B")] = tensor.to(at::kFloat);
    } else if (!name.ends_with(".base_layer.weight")) {
      lora.others.emplace_back(name, tensor);
    }
  }
  for (NamedUpdate& entry : lora.updates) {
    Tensor& factor = b[entry.path];
    check<ModelError>(factor.defined() && factor.dim() == 2 && entry.update.a.dim() == 2 &&
                          factor.size(1) == entry.update.a.size(0),
                      "{}: {}: A and B do not belong together", stored.path.string(), entry.path);
    entry.update.b = factor;
    entry.update.scale = scale_of(lora.config, entry.path, entry.update.rank());
  }
  check<ModelError>(b.size() == lora.updates.size(), "{}: {} A and {} B", stored.path.string(),
                    lora.updates.size(), b.size());
  sort_by_module(lora.updates);
  return lora;
}

void settle_config(LoraFile& lora, bool keeps_targets) {
  Json& config = lora.config;
  const int64_t rank = lora.rank();
  double alpha = 0.0;
  for (const NamedUpdate& entry : lora.updates) {
    if (entry.update.rank() == rank && alpha == 0.0) {
      alpha = entry.update.scale * static_cast<double>(rank);
    }
  }
  config["use_rslora"] = false;
  config["r"] = rank;
  config["lora_alpha"] = number(alpha);
  config["rank_pattern"] = Json::object();
  config["alpha_pattern"] = Json::object();
  Json names = Json::array();
  for (const NamedUpdate& entry : lora.updates) {
    const int64_t own = entry.update.rank();
    const Json own_alpha = number(entry.update.scale * static_cast<double>(own));
    if (own != rank) {
      config["rank_pattern"][entry.path] = own;
    }
    if (own_alpha != config["lora_alpha"]) {
      config["alpha_pattern"][entry.path] = own_alpha;
    }
    names.push_back(entry.path);
  }
  if (!keeps_targets) {
    config["target_modules"] = names;
    config["exclude_modules"] = nullptr;
    config["layers_to_transform"] = nullptr;
    config["layers_pattern"] = nullptr;
  }
}

StoredAdapter put_together(const LoraFile& lora, const std::filesystem::path& path) {
  StoredAdapter stored{lora.config, {}, path, path / "adapter_model.safetensors"};
  for (const NamedUpdate& entry : lora.updates) {
    const std::string name = kPeftPrefix + entry.path;
    const char* const kind = entry.is_embedding ? ".lora_embedding_" : ".lora_";
    const char* const ending = entry.is_embedding ? "" : ".weight";
    stored.tensors.emplace_back(name + kind + "A" + ending, entry.update.a);
    stored.tensors.emplace_back(name + kind + "B" + ending, entry.update.b);
  }
  stored.tensors.insert(stored.tensors.end(), lora.others.begin(), lora.others.end());
  return stored;
}

}  // namespace peft
