#include "peft/methods/merge.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "peft/io/safetensors.h"
#include "peft/models/scalar_type.h"
#include "peft/util/durable_file.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

constexpr int64_t kPieceElements = int64_t{2} << 20;
constexpr int64_t kShardBytes = int64_t{5} * 1000 * 1000 * 1000;

std::span<std::byte> memory_of(const Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

/// One tensor of the output and where it comes from.
struct Source {
  std::string stored;     // the base's tensor; empty: it has none, and the adapter made it
  std::string parameter;  // the model's, if the adapter changes it
};

class Merger {
 public:
  Merger(const HfDirectory& base, const UnreadModel& model, const Adapter& adapter,
         std::optional<Dtype> dtype)
      : base_(base), adapter_(adapter), dtype_(dtype) {
    if (base.has_new_head()) {
      add_tensors_of_the_model(model);
      return;
    }
    for (const auto& [name, info] : base.tensors()) {
      sources_[name] = {name, ""};
    }
    for (const auto& [parameter, stored] : model.names) {
      if (adapter.merge_changes(parameter)) {
        sources_[stored].parameter = parameter;
      }
      if (parameter_is_embedding(model, parameter) && adapter.merge_unties()) {
        sources_["lm_head.weight"] = {stored, "lm_head.weight"};
        result_.untied = true;
      }
    }
  }

  MergedWeights write(const std::filesystem::path& out) {
    const std::vector<std::vector<TensorLayout>> shards = in_shards();
    Json index = {{"metadata", {{"total_size", result_.bytes}}}, {"weight_map", Json::object()}};
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string file = shards.size() == 1 ? "model.safetensors"
                                                  : fmt::format("model-{:05}-of-{:05}.safetensors",
                                                                i + 1, shards.size());
      for (const TensorLayout& tensor : shards[i]) {
        index["weight_map"][tensor.name] = file;
      }
      write_safetensors(out / file, shards[i],
                        [&](const TensorLayout& tensor, const ByteSink& sink) {
                          check_not_stopped();
                          produce(tensor, sink);
                        });
    }
    if (shards.size() > 1) {
      write_file(out / "model.safetensors.index.json", index.dump(2) + "\n");
    }
    check<UsageError>(changes_, "the adapter changes nothing: it was not trained");
    return result_;
  }

 private:
  /// What the model has and nothing else, under its own names: the file may hold another head, and
  /// names without the prefix that the new head's go with.
  void add_tensors_of_the_model(const UnreadModel& model) {
    for (const auto& [parameter, stored] : model.names) {
      sources_[parameter] = {stored, adapter_.merge_changes(parameter) ? parameter : ""};
    }
    for (const std::string& parameter : model.model->new_parameters) {
      sources_[parameter] = {"", parameter};
      const Dtype dtype = dtype_.value_or(base_.tensors().begin()->second.dtype);
      new_tensors_[parameter] = {.dtype = dtype,
                                 .shape = model.model->named_parameters()[parameter].sizes().vec()};
    }
  }

  static bool parameter_is_embedding(const UnreadModel& model, const std::string& name) {
    const auto parameters = model.model->named_parameters();
    return parameters[name].is_same(model.model->token_embedding().weight());
  }

  std::vector<std::vector<TensorLayout>> in_shards() {
    std::vector<std::vector<TensorLayout>> shards(1);
    int64_t bytes = 0;
    for (const auto& [name, source] : sources_) {
      const TensorInfo& info =
          source.stored.empty() ? new_tensors_.at(name) : base_.tensors().at(source.stored);
      const TensorLayout layout{
          name, is_floating(info.dtype) ? dtype_.value_or(info.dtype) : info.dtype, info.shape};
      const int64_t size = info.elements() * element_size(layout.dtype);
      if (bytes + size > kShardBytes && bytes > 0) {
        shards.emplace_back();
        bytes = 0;
      }
      shards.back().push_back(layout);
      bytes += size;
      result_.bytes += size;
      result_.merged_tensors += source.parameter.empty() ? 0 : 1;
    }
    return shards;
  }

  static bool is_floating(Dtype dtype) {
    return dtype == Dtype::kF32 || dtype == Dtype::kBF16 || dtype == Dtype::kF16 ||
           dtype == Dtype::kF64;
  }

  void produce(const TensorLayout& layout, const ByteSink& sink) {
    const Source& source = sources_.at(layout.name);
    if (!source.parameter.empty()) {
      const Tensor before =
          source.stored.empty() ? at::zeros(layout.shape, at::kFloat) : read(source.stored);
      const Tensor after = adapter_.merged(source.parameter, before);
      check<NumericError>(after.isfinite().all().item<bool>(),
                          "{}: merging gives values that are not finite; nothing was written",
                          source.parameter);
      changes_ = changes_ || !at::equal(before, after);
      give(after.contiguous(), layout, sink);
      return;
    }
    const TensorInfo& info = base_.tensors().at(source.stored);
    if (info.dtype == layout.dtype) {
      copy_bytes(source.stored, info, sink);
    } else {
      in_pieces(source.stored, [&](const Tensor& piece, int64_t) { give(piece, layout, sink); });
    }
  }

  void copy_bytes(const std::string& name, const TensorInfo& info, const ByteSink& sink) const {
    std::vector<std::byte> buffer;
    for (uint64_t offset = 0; offset < info.bytes; offset += buffer.size()) {
      buffer.resize(std::min<uint64_t>(kPieceElements * 4, info.bytes - offset));
      base_.read(name, offset, buffer);
      sink(buffer);
    }
  }

  /// Calls `use` with the tensor's numbers piece by piece, in their stored type.
  template <class Use>
  void in_pieces(const std::string& name, const Use& use) const {
    const TensorInfo& info = base_.tensors().at(name);
    const int64_t size = element_size(info.dtype);
    for (int64_t begin = 0; begin < info.elements(); begin += kPieceElements) {
      const Tensor piece = at::empty({std::min(kPieceElements, info.elements() - begin)},
                                     scalar_type(info.dtype, name));
      base_.read(name, static_cast<uint64_t>(begin * size), memory_of(piece));
      use(piece, begin);
    }
  }

  Tensor read(const std::string& name) const {
    const Tensor value = at::empty(base_.tensors().at(name).shape, at::kFloat);
    const Tensor flat = value.view({-1});
    in_pieces(name, [&](const Tensor& piece, int64_t begin) {
      flat.narrow(0, begin, piece.numel()).copy_(piece);
    });
    return value;
  }

  /// Rounds to the output's type, once, and hands the bytes over.
  void give(const Tensor& values, const TensorLayout& layout, const ByteSink& sink) const {
    const Tensor flat = values.view({-1});
    for (int64_t begin = 0; begin < flat.numel(); begin += kPieceElements) {
      const Tensor piece = flat.narrow(0, begin, std::min(kPieceElements, flat.numel() - begin))
                               .to(scalar_type(layout.dtype, layout.name));
      sink(memory_of(piece));
    }
  }

  const HfDirectory& base_;
  const Adapter& adapter_;
  std::optional<Dtype> dtype_;
  std::map<std::string, Source> sources_;  // by output name
  std::map<std::string, TensorInfo> new_tensors_;
  MergedWeights result_;
  bool changes_ = false;
};

}  // namespace

MergedWeights write_merged_weights(const HfDirectory& base, const UnreadModel& model,
                                   const Adapter& adapter, std::optional<Dtype> dtype,
                                   const std::filesystem::path& out) {
  const std::string obstacle = adapter.merge_obstacle();
  check<UsageError>(obstacle.empty(), "{}", obstacle);
  const at::NoGradGuard no_grad;
  return Merger(base, model, adapter, dtype).write(out);
}

}  // namespace peft
