#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

/// Under the names of AdapterHub's configs.
std::vector<Key> bottleneck_keys(int64_t reduction, const char* activation, double scaling,
                                 const char* start) {
  return {
      {.name = "reduction_factor",
       .types = {kNumber, kNumberMap},
       .fallback = reduction,
       .least = 0.0,
       .most = 1e6,
       .above_least = true,
       .summary = "the model's hidden size over the adapter's; or {layer: factor, \"default\": "
                  "factor}",
       .fixed_by_adapter = true},
      {.name = "non_linearity",
       .types = {kString},
       .fallback = activation,
       .choices = {"relu", "swish", "silu", "gelu", "gelu_new", "quick_gelu"},
       .summary = "activation between the two projections",
       .fixed_by_adapter = true},
      {.name = "scaling",
       .types = {kNumber},
       .fallback = scaling,
       .least = 0.0,
       .most = 1e6,
       .above_least = true,
       .summary = "factor of what the adapter adds"},
      {.name = "init_weights",
       .types = {kString},
       .fallback = start,
       .choices = {"bert", "mam_adapter", "houlsby"},
       .summary = "start: normal with deviation 0.02; down as usual and up zero, so that training "
                  "starts from the base; or normal with deviation 0.01"},
      {.name = "leave_out",
       .types = {kIntList, kEmptyList},
       .fallback = Json::array(),
       .least = 0,
       .most = 1e6,
       .summary = "numbers of the layers without an adapter",
       .fixed_by_adapter = true},
  };
}

std::vector<Key> unavailable_bottleneck_keys() {
  const std::string reason = "other forms of bottleneck adapters are not available in this version";
  return {
      unavailable_field("original_ln_after", true, reason),
      unavailable_field("residual_before_ln", true, reason),
      unavailable_field("adapter_residual_before_ln", false, reason),
      unavailable_field("ln_before", false, reason),
      unavailable_field("ln_after", false, reason),
      unavailable_field("use_gating", false, reason),
      unavailable_field("inv_adapter", nullptr, reason),
      unavailable_field("cross_adapter", false, reason),
      unavailable_field("phm_layer", false, reason),
      unavailable_field("dropout", 0.0, "dropout inside adapters is not available in this version"),
      unavailable_field("stochastic_depth", 0.0, reason),
      ignored_field("hidden_size", nullptr),
      ignored_field("model_class", nullptr),
      ignored_field("model_name", nullptr),
      ignored_field("model_type", nullptr),
      ignored_field("name", nullptr),
      ignored_field("version", nullptr),
  };
}

int64_t bottleneck_width(const Json& adapter, int64_t layer, int64_t hidden) {
  const Json& factor = adapter.at("reduction_factor");
  const std::string key = std::to_string(layer);
  const double own =
      factor.is_object() ? factor.value(key, factor.value("default", 1.0)) : factor.get<double>();
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(hidden) / own));
}

bool is_left_out(const Json& adapter, int64_t layer) {
  const Json& left_out = adapter.at("leave_out");
  return std::find(left_out.begin(), left_out.end(), Json(layer)) != left_out.end();
}

/// Down (b, H) and up (H, b) with their biases, in every layer that is not left out.
int64_t bottleneck_parameters(const Json& adapter, const ModelSizes& model) {
  int64_t count = 0;
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    if (!is_left_out(adapter, layer)) {
      const int64_t width = bottleneck_width(adapter, layer, model.hidden);
      count += 2 * model.hidden * width + width + model.hidden;
    }
  }
  return count;
}

/// What the network reads, and both sides of its activation.
BlockUse kept_behind_mlp(const Json& adapter, const ModelSizes& model, int64_t layer) {
  BlockUse use;
  if (!is_left_out(adapter, layer)) {
    use.mlp = model.hidden + 2 * bottleneck_width(adapter, layer, model.hidden);
  }
  return use;
}

BlockUse kept_by_houlsby(const Json& adapter, const ModelSizes& model, int64_t layer) {
  BlockUse use = kept_behind_mlp(adapter, model, layer);
  use.attention = use.mlp;
  return use;
}

/// It reads the stream, which the norm keeps.
BlockUse kept_beside_mlp(const Json& adapter, const ModelSizes& model, int64_t layer) {
  BlockUse use = kept_behind_mlp(adapter, model, layer);
  use.mlp = std::max<int64_t>(0, use.mlp - model.hidden);
  return use;
}

/// Behind the attention and behind the MLP.
int64_t houlsby_parameters(const Json& adapter, const ModelSizes& model) {
  return 2 * bottleneck_parameters(adapter, model);
}

Method bottleneck(std::string name, std::string type, std::string summary, double learning_rate,
                  std::vector<Key> keys) {
  return {.name = std::move(name),
          .peft_type = std::move(type),
          .kind = "additive",
          .summary = std::move(summary),
          .mergeable = false,
          .served_by = {"AdapterHub"},
          .learning_rate = learning_rate,
          .keys = joined({std::move(keys), unavailable_bottleneck_keys()}),
          .parameters_elsewhere = bottleneck_parameters,
          .kept_by_block = kept_behind_mlp};
}

}  // namespace

Method houlsby_method() {
  Method method = bottleneck(
      "houlsby", "HOULSBY", "a small network behind the attention and behind the MLP of each layer",
      1e-3, bottleneck_keys(16, "swish", 1.0, "bert"));
  method.parameters_elsewhere = houlsby_parameters;
  method.kept_by_block = kept_by_houlsby;
  return method;
}

Method pfeiffer_method() {
  return bottleneck("pfeiffer", "PFEIFFER",
                    "a small network behind each layer, which reads the sum of MLP and stream",
                    1e-3, bottleneck_keys(16, "relu", 1.0, "bert"));
}

Method parallel_method() {
  Method method = bottleneck("parallel", "PARALLEL", "a small network beside the MLP of each layer",
                             5e-4, bottleneck_keys(2, "relu", 4.0, "mam_adapter"));
  method.kept_by_block = kept_beside_mlp;
  return method;
}

}  // namespace peft
