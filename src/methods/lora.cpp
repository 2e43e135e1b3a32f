// LoRA and what lives behind its config: rsLoRA, DoRA, starts from the host (PiSSA, OLoRA), ranks
// by module, embeddings, the host's biases, whole modules and single tokens.
#include <ATen/ATen.h>

#include <cmath>

#include "methods.h"
#include "peft/methods/host_parts.h"
#include "peft/methods/lora_hooks.h"
#include "peft/methods/targets.h"
#include "peft/methods/token_rows.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

struct LoraConfig {
  int64_t r = 0;
  double alpha = 0.0;
  double dropout = 0.0;
  bool rslora = false;
  bool dora = false;
  bool bias_on_b = false;
  std::string bias;  // "none", "all" or "lora_only": the host's biases that train
  Json init;         // true, false, "gaussian", "pissa" or "olora"
  Json rank_pattern;
  Json alpha_pattern;
  Json modules_to_save;
  Json token_indices;  // a list, or {module: list}
  TargetConfig targets;
};

/// Every field is present: the tables of the front end have filled in the defaults.
LoraConfig read_config(const Json& json) {
  LoraConfig config;
  config.r = json.at("r").get<int64_t>();
  config.alpha = json.at("lora_alpha").get<double>();
  config.dropout = json.at("lora_dropout").get<double>();
  config.rslora = json.at("use_rslora").get<bool>();
  config.dora = json.at("use_dora").get<bool>();
  config.bias_on_b = json.at("lora_bias").get<bool>();
  config.bias = json.at("bias").get<std::string>();
  config.init = json.at("init_lora_weights");
  config.rank_pattern = json.at("rank_pattern");
  config.alpha_pattern = json.at("alpha_pattern");
  config.modules_to_save = json.at("modules_to_save");
  config.token_indices = json.at("trainable_token_indices");
  config.targets = TargetConfig::from(json);
  return config;
}

/// A rank_pattern or alpha_pattern with full names: PEFT takes the first key that matches, and
/// sorts keys when it saves.
void set_pattern(Json& pattern, const std::string& path, const Json& value, const Json& usual) {
  if (value != usual) {
    pattern[path] = value;
  }
}

class LoraAdapter final : public Adapter {
 public:
  LoraAdapter(CausalLM& model, const Json& json, uint64_t seed)
      : Adapter(model), json_(json), config_(read_config(json)) {
    check<UsageError>(!config_.dora || !config_.bias_on_b,
                      "adapter.lora_bias: cannot be combined with use_dora");
    json_["rank_pattern"] = Json::object();
    json_["alpha_pattern"] = Json::object();
    plug_linears(seed);
    plug_embedding(seed);
    plug_tokens();
    borrow_parts(config_.modules_to_save, "modules_to_save");
    borrow_biases();
  }

  Json config() const override { return is_converted() ? converted_config() : json_; }

  NamedTensors exported() const override {
    NamedTensors all = Adapter::exported();
    if (is_converted()) {
      convert(all);
    }
    return all;
  }

  void import_tensors(const NamedTensors& tensors, const std::string& where) override {
    NamedTensors own;
    for (const auto& [name, tensor] : tensors) {
      // PEFT stores the frozen weights of adapted embeddings beside the adapter.
      if (!name.ends_with(".base_layer.weight")) {
        own.emplace_back(current_name(name), tensor);
      }
    }
    Adapter::import_tensors(own, where);
    weights_changed();
  }

  std::map<std::string, double> scales() const override {
    std::map<std::string, double> scales;
    for (size_t i = 0; i < hooks_.size(); ++i) {
      scales[paths_[i]] = hooks_[i]->scale();
    }
    if (embedding_) {
      scales[embedding_path(model())] = embedding_->scale();
    }
    return scales;
  }

  void train(bool on) override {
    Adapter::train(on);
    weights_changed();
  }
  void after_step(int64_t /*step*/) override { weights_changed(); }

  /// Single tokens change embedding and head alike.
  bool merge_unties() const override { return !trains_tokens_ && Adapter::merge_unties(); }

 protected:
  NamedTensors importable() const override { return Adapter::exported(); }

  std::string exported_name(const std::string& own) const override {
    const std::string path = own.substr(0, own.rfind('.'));
    const bool wrapped = own.ends_with(".bias") && is_target(path);
    return kPeftPrefix + (wrapped ? path + ".base_layer.bias" : own);
  }

 private:
  void plug_linears(uint64_t seed) {
    std::vector<NamedLinear> targets;
    if (!only_the_embedding()) {
      targets = find_targets(model(), config_.targets);
    }
    json_["target_modules"] = saved_target_modules(config_.targets.target_modules, targets);
    for (const NamedLinear& target : targets) {
      check_not_stopped();  // a start taken from the host may cost seconds each
      const Linear& host = *target.linear;
      LoraShape shape = shape_of(target.path, std::min(host.in_features(), host.out_features()));
      shape.dropout_key = static_cast<int64_t>(hooks_.size());
      const auto hook = std::make_shared<LoraLinear>(host, shape, dropout());
      start(*hook, target, seed);
      json_["fan_in_fan_out"] = host.layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook, hook);
      hooks_.push_back(hook);
      paths_.push_back(target.path);
    }
  }

  void start(LoraLinear& hook, const NamedLinear& target, uint64_t seed) const {
    const Tensor weight = target.linear->out_in();
    if (starts_from_host(config_.init)) {
      hook.start_from(config_.init.get<std::string>(), weight.to(at::kFloat));
    } else {
      hook.start(config_.init, seed, target.path);
    }
    if (config_.dora) {
      hook.set_row_lengths(weight.to(at::kFloat), /*set_magnitude=*/true);
    }
  }

  /// LoRA on the token embedding, if the config names it.
  void plug_embedding(uint64_t seed) {
    const std::string path = embedding_path(model());
    if (!selects(config_.targets.target_modules, path)) {
      return;
    }
    check<UsageError>(!config_.dora,
                      "adapter.use_dora: {}: DoRA is for linear layers; leave the "
                      "embedding out of target_modules",
                      path);
    Embedding& host = model().token_embedding();
    const LoraShape shape = shape_of(path, host.weight().size(1));
    embedding_ = std::make_shared<LoraEmbedding>(host, shape.rank, shape.scale);
    embedding_->start(seed, path);
    plug(path, host.hook, embedding_);
  }

  bool only_the_embedding() const {
    const Json& targets = config_.targets.target_modules;
    return targets.is_array() && targets.size() == 1 && selects(targets, embedding_path(model()));
  }

  void plug_tokens() {
    std::vector<int64_t> ids;
    const std::string path = embedding_path(model());
    const std::string leaf = path.substr(path.rfind('.') + 1);
    if (config_.token_indices.is_array()) {
      ids = config_.token_indices.get<std::vector<int64_t>>();
    } else if (config_.token_indices.is_object()) {
      for (const auto& [name, list] : config_.token_indices.items()) {
        check<UsageError>(name == leaf || name == path,
                          "adapter.trainable_token_indices: expected {}, found \"{}\"", leaf, name);
        ids = list.get<std::vector<int64_t>>();
      }
    }
    if (ids.empty()) {
      return;
    }
    for (const int64_t id : ids) {
      check<UsageError>(id >= 0 && id < model().shape().vocabulary,
                        "adapter.trainable_token_indices: expected ids below {}, found {}",
                        model().shape().vocabulary, id);
    }
    Embedding& host = model().token_embedding();
    check<UsageError>(!host.hook && !(model().is_tied() && model().head().hook),
                      "adapter.trainable_token_indices: cannot be combined with an adapter on the "
                      "embedding or on a head tied to it");
    const auto rows = std::make_shared<TokenRows>(host, ids);
    plug(path, host.hook, rows);
    trains_tokens_ = true;
    if (model().is_tied()) {
      plug("lm_head", model().head().hook, std::make_shared<TokenRowsHead>(rows, ids));
    }
  }

  void borrow_biases() {
    if (config_.bias == "none") {
      return;
    }
    size_t borrowed = 0;
    for (const std::string& name : parameters_ending_with(model(), ".bias")) {
      if (config_.bias == "all" || is_target(name.substr(0, name.rfind('.')))) {
        borrow(name);
        ++borrowed;
      }
    }
    check<UsageError>(borrowed > 0 || !hooks_.empty(), "adapter.bias: {} has no biases",
                      model().shape().architecture);
  }

  LoraShape shape_of(const std::string& path, int64_t limit) {
    const Json rank = pattern_value(config_.rank_pattern, path).value_or(Json(config_.r));
    const Json alpha = pattern_value(config_.alpha_pattern, path).value_or(Json(config_.alpha));
    LoraShape shape;
    shape.rank = rank.get<int64_t>();
    check<UsageError>(shape.rank >= 1 && shape.rank <= limit,
                      "adapter.r: {}: expected a rank from 1 to {}, found {}", path, limit,
                      shape.rank);
    const double divisor = static_cast<double>(shape.rank);
    shape.scale = alpha.get<double>() / (config_.rslora ? std::sqrt(divisor) : divisor);
    shape.dropout = config_.dropout;
    shape.dora = config_.dora;
    shape.bias = config_.bias_on_b;
    set_pattern(json_["rank_pattern"], path, rank, Json(config_.r));
    set_pattern(json_["alpha_pattern"], path, alpha, Json(config_.alpha));
    return shape;
  }

  bool is_target(const std::string& path) const {
    return std::find(paths_.begin(), paths_.end(), path) != paths_.end();
  }

  /// What PEFT called a tensor before, under its name of today: biases of adapted layers.
  std::string current_name(const std::string& name) const {
    const std::string prefix = kPeftPrefix;
    if (!name.starts_with(prefix) || !name.ends_with(".bias")) {
      return name;
    }
    const std::string path = name.substr(prefix.size(), name.rfind('.') - prefix.size());
    return is_target(path) ? prefix + path + ".base_layer.bias" : name;
  }

  void weights_changed() {
    for (const auto& hook : hooks_) {
      hook->weights_changed();
    }
  }

  /// A start taken from the host is written as plain LoRA of twice the rank, [A; A0] and [B, -B0],
  /// so that every loader computes the same on the untouched base.
  bool is_converted() const { return starts_from_host(config_.init); }

  Json converted_config() const {
    Json json = json_;
    const double alpha = config_.rslora ? std::sqrt(2.0) : 2.0;
    json["r"] = 2 * config_.r;
    json["lora_alpha"] = alpha * config_.alpha;
    json["init_lora_weights"] = true;
    for (auto& [path, rank] : json["rank_pattern"].items()) {
      rank = 2 * rank.get<int64_t>();
    }
    for (auto& [path, value] : json["alpha_pattern"].items()) {
      value = alpha * value.get<double>();
    }
    return json;
  }

  void convert(NamedTensors& all) const {
    for (size_t i = 0; i < hooks_.size(); ++i) {
      const std::string path = kPeftPrefix + paths_[i];
      for (auto& [name, tensor] : all) {
        if (name == path + ".lora_A.weight") {
          tensor = at::cat({tensor, hooks_[i]->start_A()});
        } else if (name == path + ".lora_B.weight") {
          tensor = at::cat({tensor, -hooks_[i]->start_B()}, 1);
        }
      }
    }
  }

  Json json_;
  LoraConfig config_;
  std::vector<std::shared_ptr<LoraLinear>> hooks_;
  std::vector<std::string> paths_;            // of hooks_
  std::shared_ptr<LoraEmbedding> embedding_;  // null: the token embedding has none
  bool trains_tokens_ = false;
};

}  // namespace

bool starts_from_host(const Json& init) {
  return init == "pissa" || init == "olora";
}

std::unique_ptr<Adapter> attach_lora(CausalLM& model, const Json& config, uint64_t seed) {
  if (config.at("target_modules") == kNoTargets) {
    return attach_bitfit(model, config, seed);
  }
  return std::make_unique<LoraAdapter>(model, config, seed);
}

}  // namespace peft
