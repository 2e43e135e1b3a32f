// Prompt tuning and P-tuning: trained rows in front of every sequence's embeddings. P-tuning
// computes them by a small network.
#include <ATen/ATen.h>

#include "methods.h"
#include "peft/methods/prompt_encoders.h"
#include "peft/methods/virtual_tokens.h"

namespace peft {
namespace {

/// E' = [P; E(x)], P (P, D). Lester et al. 2021, section 2. The rows are one prefix that all
/// sequences share, computed once per batch; in an encoder, whose tokens see each other both ways,
/// every sequence has its own. While generating they stand only before the prompt.
class PromptHook final : public InputHook {
 public:
  PromptHook(VirtualTokenAdapter& adapter, bool is_shared)
      : adapter_(adapter), is_shared_(is_shared) {}

  int64_t positions() const override { return adapter_.virtual_tokens(); }

  void forward(ModelInput& input) override {
    const int64_t count = adapter_.virtual_tokens();
    input.positions = input.positions + count;
    if (input.continues) {
      return;
    }
    const Tensor rows = adapter_.rows().to(input.embeddings.scalar_type());
    if (!is_shared_) {
      insert(input, rows);
      return;
    }
    input.embeddings = at::cat({rows, input.embeddings});
    input.positions = at::cat({at::arange(count, input.positions.options()), input.positions});
    input.segments = with_prefix(input.segments, count);
  }

 private:
  /// Puts the rows in front of every sequence, as tokens of type 0.
  static void insert(ModelInput& input, const Tensor& rows) {
    const int64_t count = rows.size(0);
    const Tensor places = at::arange(count, input.positions.options());
    std::vector<Tensor> embeddings, positions, types;
    std::vector<int64_t> lengths;
    for (int64_t b = 0; b < input.segments.count(); ++b) {
      const int64_t begin = input.segments.bounds[static_cast<size_t>(b)];
      const int64_t length = input.segments.length(b);
      embeddings.insert(embeddings.end(), {rows, input.embeddings.narrow(0, begin, length)});
      positions.insert(positions.end(), {places, input.positions.narrow(0, begin, length)});
      if (input.types.defined()) {
        types.insert(types.end(), {at::zeros_like(places), input.types.narrow(0, begin, length)});
      }
      lengths.push_back(count + length);
    }
    input.embeddings = at::cat(embeddings);
    input.positions = at::cat(positions);
    input.types = types.empty() ? Tensor() : at::cat(types);
    input.segments = make_segments(lengths, input.positions.device());
  }

  VirtualTokenAdapter& adapter_;
  bool is_shared_;
};

class PromptAdapter final : public VirtualTokenAdapter {
 public:
  PromptAdapter(CausalLM& model, const Json& json, uint64_t seed)
      : VirtualTokenAdapter(model, json) {
    const int64_t width = model.token_embedding().weight().size(1);
    const bool encoded = json.at("peft_type") == "P_TUNING";
    if (encoded && json.at("encoder_hidden_size").is_null()) {
      json_["encoder_hidden_size"] = width;
    }
    set_encoder(encoded ? p_tuning_encoder(json_, width, model.head().weight().device(), seed)
                        : std::make_shared<PromptTable>(start_rows(seed)),
                width, model.attentions().front()->shape().heads);
    plug("", model.input_hook, std::make_shared<PromptHook>(*this, model.shape().causal));
  }

 private:
  /// PEFT's prompt_tuning_init: standard normal rows, rows of random tokens, or the rows of a text,
  /// repeated or cut to the length. The text's ids come with a new adapter's config, under
  /// "prompt_tuning_init_ids"; a stored adapter has none, and its own rows take the place of these.
  Tensor start_rows(uint64_t seed) {
    const at::NoGradGuard no_grad;
    const int64_t count = virtual_tokens();
    const Tensor& table = model().token_embedding().weight();
    const std::string init = json_.at("prompt_tuning_init").get<std::string>();
    at::Generator generator = tensor_generator(seed, "prompt_embeddings");
    const auto text = json_.value("prompt_tuning_init_ids", std::vector<int64_t>());
    json_.erase("prompt_tuning_init_ids");
    if (init == "RANDOM" || (init == "TEXT" && text.empty())) {
      return at::empty({count, table.size(1)}, at::kFloat)
          .normal_(0.0, 1.0, generator)
          .to(table.device());
    }
    Tensor ids;
    if (init == "SAMPLE_VOCAB") {
      ids = at::empty({count}, at::kLong).random_(0, table.size(0), generator);
    } else {
      ids =
          at::tensor(text, at::kLong).repeat({(count - 1) / static_cast<int64_t>(text.size()) + 1});
      ids = ids.narrow(0, 0, count);
    }
    return model().embed(ids.to(table.device())).to(at::kFloat);
  }
};

}  // namespace

std::unique_ptr<Adapter> attach_prompt_tuning(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<PromptAdapter>(model, config, seed);
}

}  // namespace peft
