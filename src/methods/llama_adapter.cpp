// LLaMA-Adapter: the top layers attend to a trained prompt through a gate that starts closed.
#include <ATen/ATen.h>

#include <cmath>

#include "methods.h"
#include "peft/methods/adapter.h"

namespace peft {
namespace {

/// context + g softmax(q K_P^T / sqrt(Dh)) V_P, where K_P and V_P are the layer's own projections
/// of the prompt P (A, D), without rotation, and g (1) starts at zero. Zhang et al. 2023, equations
/// 4 to 8, with Hugging Face's plain gate. On a fused projection (GPT-2) Hugging Face adds the term
/// behind the output projection; so do we.
class PromptedAttention final : public AttentionHook {
 public:
  PromptedAttention(const Attention& host, int64_t length, int64_t width,
                    const at::TensorOptions& options)
      : behind_output_(host.shape().fused),
        prompt_(register_parameter("adaption_prompt", at::zeros({1, length, width}, options))),
        gate_(register_parameter("adaption_gate", at::zeros({1}, options))) {}

  Tensor after_context(const Attention& host, const AttentionState& state,
                       const Tensor& context) override {
    return behind_output_ ? context : context + term(host, state.q).to(context.scalar_type());
  }
  Tensor after_output(const Attention& host, const AttentionState& state,
                      const Tensor& output) override {
    return behind_output_ ? output + term(host, state.q).flatten(1).to(output.scalar_type())
                          : output;
  }

  void start(uint64_t seed, const std::string& path) {
    const at::NoGradGuard no_grad;
    prompt_.copy_(at::empty(prompt_.sizes(), at::kFloat)
                      .normal_(0.0, 1.0, tensor_generator(seed, path + ".adaption_prompt")));
  }

 private:
  /// (N, H, Dh) float32.
  Tensor term(const Attention& host, const Tensor& q) const {
    const AttentionShape& shape = host.shape();
    const auto [k, v] = host.project_kv(prompt_.squeeze(0).to(q.scalar_type()));
    // Query heads of one key head side by side: (Hkv, N * group, Dh).
    const int64_t group = shape.heads / shape.kv_heads;
    const Tensor grouped = q.view({q.size(0), shape.kv_heads, group, shape.head_dim})
                               .transpose(0, 1)
                               .reshape({shape.kv_heads, -1, shape.head_dim})
                               .to(at::kFloat);
    const double own = host.options().scale;
    const double scale = own != 0 ? own : 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
    const Tensor scores = at::bmm(grouped, k.to(at::kFloat).permute({1, 2, 0})) * scale;
    const Tensor mixed = at::bmm(at::softmax(scores, -1), v.to(at::kFloat).transpose(0, 1));
    return mixed.view({shape.kv_heads, q.size(0), group, shape.head_dim})
               .transpose(0, 1)
               .reshape(q.sizes()) *
           gate_;
  }

  bool behind_output_;
  Tensor prompt_;  // (1, A, D)
  Tensor gate_;    // (1)
};

class LlamaAdapter final : public Adapter {
 public:
  LlamaAdapter(CausalLM& model, const Json& json, uint64_t seed) : Adapter(model), json_(json) {
    const std::vector<Attention*> all = model.attentions();
    const auto layers = static_cast<int64_t>(all.size());
    const int64_t adapted = json.at("adapter_layers").is_null()
                                ? std::max<int64_t>(1, layers - 2)
                                : json.at("adapter_layers").get<int64_t>();
    json_["adapter_layers"] = adapted;
    check<UsageError>(adapted <= layers, "adapter.adapter_layers: expected at most {}, found {}",
                      layers, adapted);
    const std::vector<std::string> paths = attention_paths(model);
    json_["target_modules"] = paths.front().substr(paths.front().rfind('.') + 1);
    const at::TensorOptions options =
        at::TensorOptions().dtype(at::kFloat).device(model.head().weight().device());
    for (int64_t layer = layers - adapted; layer < layers; ++layer) {
      const auto index = static_cast<size_t>(layer);
      const auto hook = std::make_shared<PromptedAttention>(
          *all[index], json.at("adapter_len").get<int64_t>(), model.shape().hidden, options);
      hook->start(seed, paths[index]);
      plug(paths[index], all[index]->hook, hook);
    }
  }

  Json config() const override { return json_; }
  std::string merge_obstacle() const override {
    return "ADAPTION_PROMPT adds attention to a prompt, not weights, and cannot be merged; use it "
           "unmerged with `peft eval --adapter`";
  }

 private:
  /// "model.layers.0.self_attn", by layer.
  static std::vector<std::string> attention_paths(const CausalLM& model) {
    std::vector<std::string> paths;
    for (const auto& module : model.named_modules("", /*include_self=*/false)) {
      if (std::dynamic_pointer_cast<Attention>(module.value()) != nullptr) {
        paths.push_back(module.key());
      }
    }
    return paths;
  }

  Json json_;
};

}  // namespace

std::unique_ptr<Adapter> attach_llama_adapter(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<LlamaAdapter>(model, config, seed);
}

}  // namespace peft
