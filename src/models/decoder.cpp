#include "peft/models/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "peft/util/text.h"

namespace peft {
namespace {

/// The module at a nested name below `root`, made where it is not there: "model.decoder".
torch::nn::Module& nested(torch::nn::Module& root, const std::string& path) {
  torch::nn::Module* parent = &root;
  for (const std::string& name : split(path, '.')) {
    const auto child = parent->named_children().find(name);
    parent = child != nullptr
                 ? child->get()
                 : parent->register_module(name, std::make_shared<torch::nn::Module>()).get();
  }
  return *parent;
}

/// Registers `module` at a name that may be nested.
template <class M>
std::shared_ptr<M> put(torch::nn::Module& root, const std::string& path,
                       std::shared_ptr<M> module) {
  const size_t dot = path.rfind('.');
  torch::nn::Module& parent = dot == std::string::npos ? root : nested(root, path.substr(0, dot));
  return parent.register_module(path.substr(dot + 1), std::move(module));
}

}  // namespace

ModelShape decoder_shape(const ModelBlueprint& blueprint, const DecoderSizes& sizes) {
  const Json names = blueprint.config.value("architectures", Json::array());
  return {.architecture = blueprint.labels.empty() ? blueprint.family.class_name
                                                   : names.at(0).get<std::string>(),
          .model_type = blueprint.family.model_type,
          .layers = sizes.layers,
          .hidden = sizes.hidden,
          .vocabulary = sizes.vocabulary,
          .max_positions = scaled_positions(rope_settings(blueprint.config), sizes.positions),
          .labels = blueprint.labels};
}

Decoder::Decoder(DecoderParts parts, const ModelBlueprint& blueprint)
    : CausalLM(std::move(parts.shape)),
      layers_path_(parts.names.trunk + "." + parts.names.layers),
      ropes_(std::move(parts.ropes)),
      trunk_(&nested(*this, parts.names.trunk)),
      embedding_(put(*trunk_, parts.names.embedding,
                     std::make_shared<Embedding>(
                         shape().vocabulary,
                         parts.embedding_width > 0 ? parts.embedding_width : shape().hidden,
                         blueprint.options))),
      blocks_(std::move(parts.blocks)),
      norm_(std::move(parts.norm)) {
  torch::nn::Module& layers = nested(*trunk_, parts.names.layers);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    layers.register_module(std::to_string(i), blocks_[i]);
  }
  if (norm_ != nullptr) {
    trunk_->register_module(parts.names.norm, norm_);
  }
  const int64_t classes = shape().classes();
  head_ = put(*this, classes > 0 ? parts.names.classifier : "lm_head",
              std::make_shared<Linear>(Place::kHead, embedding_->weight().size(1),
                                       classes > 0 ? classes : shape().vocabulary,
                                       classes > 0 && parts.classifier_bias, blueprint.options));
  if (blueprint.tied && classes == 0) {
    head_->tie(embedding_->weight());
  }
}

std::vector<NamedResidual> Decoder::residuals() const {
  std::vector<NamedResidual> all;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const std::string path = layers_path_ + "." + std::to_string(i);
    all.push_back({path, /*is_mlp=*/false, &blocks_[i]->attention_residual});
    all.push_back({path, /*is_mlp=*/true, &blocks_[i]->mlp_residual});
  }
  return all;
}

bool Decoder::keeps_states(int64_t before, int64_t after) const {
  const int64_t virtual_tokens = shape().max_positions - longest_sequence();
  return std::none_of(ropes_.begin(), ropes_.end(), [&](const Rope& rope) {
    return rope.changes(before + virtual_tokens, after + virtual_tokens);
  });
}

Tensor Decoder::trunk(const ModelInput& input, KvCache* cache) const {
  // Shared with the blocks that the backward runs again.
  const auto shared = std::make_shared<BlockInput>();
  for (const Rope& rope : ropes_) {
    const auto [cos, sin] = rope.tables(input.positions, input.segments);
    shared->angles.push_back({cos, sin});
  }
  shared->segments = input.segments;
  shared->cache = cache;
  Tensor x = enter(input);
  for (const std::shared_ptr<Block>& block : blocks_) {
    x = run_block([=](const Tensor& h) { return block->forward(h, *shared); }, x);
  }
  return leave(x);
}

}  // namespace peft
