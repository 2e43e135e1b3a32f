// Bottleneck adapters: a small two-layer network beside or behind a branch of each block. Houlsby
// (behind both branches), Pfeiffer (on the stream behind the MLP) and parallel (beside the MLP), in
// AdapterHub's format.
#include <ATen/ATen.h>

#include "methods.h"
#include "peft/methods/adapter.h"
#include "peft/nn/activation.h"

namespace peft {
namespace {

constexpr const char* kHubVersion = "adapters.1.2.0";

enum class Place { kBehind, kOnStream, kBeside };

at::TensorOptions float32_like(const CausalLM& model) {
  return at::TensorOptions().dtype(at::kFloat).device(model.head().weight().device());
}

/// A projection of a bottleneck: x W^T + b.
class SmallLinear final : public torch::nn::Module {
 public:
  SmallLinear(int64_t in, int64_t out, const at::TensorOptions& options)
      : weight(register_parameter("weight", at::zeros({out, in}, options))),
        bias(register_parameter("bias", at::zeros({out}, options))) {}
  Tensor forward(const Tensor& x) const {
    return at::linear(x, weight.to(x.scalar_type()), bias.to(x.scalar_type()));
  }
  Tensor weight;  // (out, in)
  Tensor bias;    // (out)
};

/// A(z) = s (f(z W_d^T + b_d) W_u^T + b_u), with W_d (b, D) and W_u (D, b).
/// Houlsby: x + h + A(h) behind a branch's result h (Houlsby et al. 2019, section 2.1).
/// Pfeiffer: x + h + A(x + h) (Pfeiffer et al. 2020, section 3.2), where the block has a norm
/// behind the sum A(norm(x + h)). Parallel: x + h + A(x) (He et al. 2022, section 3.3).
class Bottleneck final : public ResidualHook {
 public:
  Bottleneck(int64_t width, int64_t size, Place place, const Norm* norm, Activation activation,
             double scale, const at::TensorOptions& options)
      : place_(place), norm_(norm), activation_(activation), scale_(scale) {
    const auto down = register_module("adapter_down", std::make_shared<torch::nn::Module>());
    down_ = down->register_module("0", std::make_shared<SmallLinear>(width, size, options));
    up_ = register_module("adapter_up", std::make_shared<SmallLinear>(size, width, options));
  }

  Tensor add(const Tensor& x, const Tensor& branch) override {
    const Tensor sum = x + branch;
    const Tensor z = place_ == Place::kBehind   ? branch
                     : place_ == Place::kBeside ? x
                     : norm_ != nullptr         ? norm_->forward(sum)
                                                : sum;
    const Tensor result = up_->forward(activation_(down_->forward(z)));
    return scale_ == 1.0 ? sum + result : sum + result * scale_;
  }

  /// AdapterHub's start values: "bert" (both normal, deviation 0.02), "mam_adapter" (up is zero, so
  /// that nothing changes) or "houlsby" (normal, deviation 0.01, cut at two deviations).
  void start(const std::string& init, uint64_t seed, const std::string& path) {
    const at::NoGradGuard no_grad;
    for (SmallLinear* part : {down_.get(), up_.get()}) {
      const at::Generator generator =
          tensor_generator(seed, path + (part == up_.get() ? ".up" : ".down"));
      Tensor values = at::empty(part->weight.sizes(), at::kFloat);
      if (init == "mam_adapter") {
        const double bound = 1.0 / std::sqrt(static_cast<double>(values.size(1)));
        part == up_.get() ? values.zero_() : values.uniform_(-bound, bound, generator);
      } else if (init == "houlsby") {
        values.normal_(0.0, 1e-2, generator).clamp_(-2e-2, 2e-2);
      } else {
        values.normal_(0.0, 0.02, generator);
      }
      part->weight.copy_(values);
    }
  }

 private:
  Place place_;
  const Norm* norm_;  // behind the sum
  Activation activation_;
  double scale_;
  std::shared_ptr<SmallLinear> down_, up_;
};

class BottleneckAdapter final : public Adapter {
 public:
  BottleneckAdapter(CausalLM& model, const Json& json, uint64_t seed)
      : Adapter(model), json_(json) {
    const std::string type = json.at("peft_type").get<std::string>();
    const bool both = type == "HOULSBY";
    const Place place = both                 ? Place::kBehind
                        : type == "PFEIFFER" ? Place::kOnStream
                                             : Place::kBeside;
    const Activation f =
        activation(json.at("non_linearity").get<std::string>(), "adapter.non_linearity");
    const int64_t width = model.shape().hidden;
    const Json& left_out = json.at("leave_out");
    int64_t layer = -1;
    for (const NamedResidual& branch : model.residuals()) {
      layer += branch.is_mlp ? 0 : 1;
      if ((!branch.is_mlp && !both) || contains(left_out, layer)) {
        continue;
      }
      const auto hook = std::make_shared<Bottleneck>(
          width, size_of(width, layer), place, branch.residual->norm_behind, f,
          json.at("scaling").get<double>(), float32_like(model));
      const std::string path = branch.path + place_name(branch);
      hook->start(json.at("init_weights").get<std::string>(), seed, path);
      plug(path, branch.residual->hook, hook);
    }
    check<UsageError>(layer >= 0 && !trainable().empty(),
                      "adapter.leave_out: no layer is left to adapt");
  }

  Json config() const override { return json_; }

  const char* weights_file() const override { return "adapter.safetensors"; }
  Json file_config(const std::string& base) const override;
  std::vector<std::pair<std::string, Json>> other_files() const override;

  std::string merge_obstacle() const override {
    return fmt::format(
        "{} adds a network with an activation and cannot be merged; use it unmerged "
        "with `peft eval --adapter`",
        json_.at("peft_type").get<std::string>());
  }

  void import_tensors(const NamedTensors& tensors, const std::string& where) override {
    NamedTensors own;
    for (const auto& [name, tensor] : tensors) {
      own.emplace_back(with_our_name(name), tensor);
    }
    Adapter::import_tensors(own, where);
  }

 protected:
  /// "model.layers.0.output_adapters.adapters.default.adapter_up.weight"
  std::string exported_name(const std::string& own) const override {
    if (has_borrowed(own)) {  // a classification head
      return own;
    }
    const size_t end = own.rfind(".adapter_");
    return own.substr(0, end) + kHolder + ".default" + own.substr(end);
  }

 private:
  static constexpr const char* kHolder = ".adapters";

  /// AdapterHub's module: encoders have theirs inside the branch's own.
  std::string place_name(const NamedResidual& branch) const {
    const std::string name = branch.is_mlp ? ".output" : ".attention";
    return !model().shape().causal ? (branch.is_mlp ? name : name + ".output") : name + "_adapters";
  }

  /// The adapter's name in the file is its maker's choice.
  static std::string with_our_name(const std::string& name) {
    const size_t end = name.rfind(".adapter_");
    const size_t begin = name.rfind(std::string(kHolder) + ".", end);
    return end == std::string::npos || begin == std::string::npos
               ? name
               : name.substr(0, begin) + kHolder + ".default" + name.substr(end);
  }

  Json head_config() const;

  static bool contains(const Json& list, int64_t layer) {
    return list.is_array() && std::find(list.begin(), list.end(), Json(layer)) != list.end();
  }

  /// D / reduction_factor, which may differ by layer: {"0": 8, "default": 16}.
  int64_t size_of(int64_t width, int64_t layer) const {
    const Json& factor = json_.at("reduction_factor");
    const std::string key = std::to_string(layer);
    const Json& own =
        factor.is_object() ? factor.at(factor.contains(key) ? key : "default") : factor;
    return std::max<int64_t>(1,
                             static_cast<int64_t>(static_cast<double>(width) / own.get<double>()));
  }

  Json json_;
};

/// AdapterHub's schema, every field.
Json BottleneckAdapter::file_config(const std::string& base) const {
  const std::string type = json_.at("peft_type").get<std::string>();
  Json config = {{"mh_adapter", type == "HOULSBY"},
                 {"output_adapter", true},
                 {"is_parallel", type == "PARALLEL"},
                 {"original_ln_before", type == "PFEIFFER"},
                 {"original_ln_after", true},
                 {"ln_before", false},
                 {"ln_after", false},
                 {"init_weights_seed", nullptr},
                 {"use_gating", false},
                 {"residual_before_ln", true},
                 {"adapter_residual_before_ln", false},
                 {"inv_adapter", nullptr},
                 {"inv_adapter_reduction_factor", nullptr},
                 {"cross_adapter", false},
                 {"dropout", 0.0},
                 {"phm_layer", false},
                 {"phm_dim", 4},
                 {"phm_rank", 1},
                 {"phm_bias", true},
                 {"learn_phm", true},
                 {"factorized_phm_W", true},
                 {"factorized_phm_rule", false},
                 {"shared_W_phm", false},
                 {"shared_phm_rule", true},
                 {"phm_c_init", "normal"},
                 {"phm_init_range", 0.0001},
                 {"hypercomplex_nonlinearity", "glorot-uniform"},
                 {"stochastic_depth", 0.0}};
  for (const char* key :
       {"reduction_factor", "non_linearity", "scaling", "init_weights", "leave_out"}) {
    config[key] = json_.at(key);
  }
  return {{"config", config},
          {"hidden_size", model().shape().hidden},
          {"model_class", model().shape().architecture},
          {"model_name", base},
          {"model_type", model().shape().model_type},
          {"name", "default"},
          {"version", kHubVersion}};
}

/// Of the classification head, which the library keeps in a file of its own.
Json BottleneckAdapter::head_config() const {
  const ModelShape& shape = model().shape();
  Json labels = Json::object();
  for (size_t i = 0; i < shape.labels.size(); ++i) {
    labels[shape.labels[i]] = i;
  }
  return {{"config", nullptr},     {"hidden_size", shape.hidden},
          {"label2id", labels},    {"model_class", shape.architecture},
          {"model_name", ""},      {"model_type", shape.model_type},
          {"name", nullptr},       {"num_labels", shape.classes()},
          {"version", kHubVersion}};
}

/// Models that AdapterHub reaches by names alone, through its plug-in interface, have their names
/// beside the adapter.
std::vector<std::pair<std::string, Json>> BottleneckAdapter::other_files() const {
  auto files = Adapter::other_files();
  if (model().shape().classes() > 0) {
    files.push_back({"head_config.json", head_config()});
  }
  const std::string& type = model().shape().model_type;
  if (type != "qwen2" && type != "qwen3") {
    return files;
  }
  const Json interface = {{"adapter_methods", {"bottleneck", "lora", "reft", "invertible"}},
                          {"attn_k_proj", "k_proj"},
                          {"attn_o_proj", "o_proj"},
                          {"attn_q_proj", "q_proj"},
                          {"attn_qkv_proj", nullptr},
                          {"attn_v_proj", "v_proj"},
                          {"base_model", nullptr},
                          {"layer_cross_attn", nullptr},
                          {"layer_intermediate_proj", "mlp.up_proj"},
                          {"layer_ln_1", nullptr},
                          {"layer_ln_2", nullptr},
                          {"layer_output_proj", "mlp.down_proj"},
                          {"layer_pre_cross_attn", nullptr},
                          {"layer_pre_ffn", "post_attention_layernorm"},
                          {"layer_pre_self_attn", "input_layernorm"},
                          {"layer_self_attn", "self_attn"},
                          {"model_embeddings", "embed_tokens"},
                          {"model_layers", "layers"}};
  files.push_back({"adapter_interface.json",
                   {{"interface", interface}, {"model_type", type}, {"version", kHubVersion}}});
  return files;
}

}  // namespace

std::unique_ptr<Adapter> attach_bottleneck(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<BottleneckAdapter>(model, config, seed);
}

}  // namespace peft
