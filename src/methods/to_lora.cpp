#include "peft/methods/to_lora.h"

#include <ATen/ATen.h>

#include <map>

#include "methods.h"
#include "nearest_lora.h"
#include "peft/config/adapter_config.h"
#include "peft/config/methods.h"
#include "peft/models/load.h"

namespace peft {
namespace {

constexpr int64_t kUsualRank = 16;  // as in a run file

std::string type_of(const StoredAdapter& stored) {
  return stored.config.at("peft_type").get<std::string>();
}

/// Whether the update of a module is a product of two factors, as LoRA's is.
bool has_the_form(const StoredAdapter& stored) {
  const std::string type = type_of(stored);
  return type == "ADALORA" || type == "VERA" ||
         (type == "LORA" && stored.config.at("use_dora") == false);
}

const Tensor* find_tensor(const StoredAdapter& stored, const std::string& name) {
  for (const auto& [own, tensor] : stored.tensors) {
    if (own == name) {
      return &tensor;
    }
  }
  return nullptr;
}

const Tensor& tensor_of(const StoredAdapter& stored, const std::string& name) {
  const Tensor* const tensor = find_tensor(stored, name);
  check<ModelError>(tensor != nullptr, "{}: {}: not in the file", stored.path.string(), name);
  return *tensor;
}

/// An empty LoRA with what the file holds beside the method's own tensors, whose names have `mark`.
LoraFile with_others(const StoredAdapter& stored, const std::string& mark) {
  LoraFile lora{lora_config(stored.config), {}, {}};
  for (const auto& [name, tensor] : stored.tensors) {
    if (name.find(mark) == std::string::npos) {
      lora.others.emplace_back(name, tensor);
    }
  }
  return lora;
}

/// Module paths of the tensors that end with `ending`.
std::vector<std::string> paths_with(const StoredAdapter& stored, const std::string& ending) {
  std::vector<std::string> paths;
  const size_t prefix = std::string(kPeftPrefix).size();
  for (const auto& [name, tensor] : stored.tensors) {
    if (name.starts_with(kPeftPrefix) && name.ends_with(ending)) {
      paths.push_back(name.substr(prefix, name.size() - prefix - ending.size()));
    }
  }
  return paths;
}

/// s B (A * E) with the triplets whose E is not zero. A module without any has no update.
LoraFile from_adalora(const StoredAdapter& stored) {
  LoraFile lora = with_others(stored, ".lora_");
  const double scale = stored.config.at("lora_alpha").get<double>() /
                       (stored.config.at("init_r").get<double>() + kRankEpsilon);
  for (const std::string& path : paths_with(stored, ".lora_E")) {
    const std::string name = kPeftPrefix + path;
    const Tensor e = tensor_of(stored, name + ".lora_E").to(at::kFloat);
    const Tensor kept = e.view({-1}).nonzero().view({-1});
    if (kept.numel() > 0) {
      const Tensor a = tensor_of(stored, name + ".lora_A").to(at::kFloat) * e;
      const Tensor b = tensor_of(stored, name + ".lora_B").to(at::kFloat);
      lora.updates.push_back(
          {path, false, {a.index_select(0, kept), b.index_select(1, kept), scale}});
    }
  }
  return lora;
}

/// The shared pair of a VeRA file: its own, or made again from the key in its config.
std::pair<Tensor, Tensor> vera_projections(const StoredAdapter& stored, CausalLM& model) {
  const Tensor* const a = find_tensor(stored, "base_model.vera_A");
  const Tensor* const b = find_tensor(stored, "base_model.vera_B");
  if (a != nullptr && b != nullptr) {
    return {a->to(at::kFloat), b->to(at::kFloat)};
  }
  Json config = stored.config;
  config["save_projection"] = true;
  const NamedTensors made = attach_vera(model, config, /*seed=*/0)->exported();
  return {made[made.size() - 2].second, made.back().second};
}

/// diag(b) B diag(d) A with the shared pair cut to the module's size.
LoraFile from_vera(const StoredAdapter& stored, const HfDirectory& base) {
  LoraFile lora = with_others(stored, "vera_");
  const UnreadModel unread = build_model(base, at::kFloat, at::kCPU);
  const auto [a, b] = vera_projections(stored, *unread.model);
  std::vector<NamedLinear> linears = unread.model->projections();
  linears.push_back({"lm_head", &unread.model->head()});
  for (const NamedLinear& linear : linears) {
    const std::string name = kPeftPrefix + linear.path;
    if (find_tensor(stored, name + ".vera_lambda_b") == nullptr) {
      continue;
    }
    const int64_t out = linear.linear->out_features();
    const Tensor for_b = tensor_of(stored, name + ".vera_lambda_b").to(at::kFloat);
    const Tensor for_a = tensor_of(stored, name + ".vera_lambda_d").to(at::kFloat);
    check<ModelError>(for_b.numel() == out && for_a.numel() == a.size(0),
                      "{}: {}: does not fit the base {}", stored.path.string(), linear.path,
                      base.path().string());
    lora.updates.push_back({linear.path,
                            false,
                            {a.narrow(1, 0, linear.linear->in_features()) * for_a.unsqueeze(1),
                             b.narrow(0, 0, out) * for_b.unsqueeze(1), 1.0}});
  }
  return lora;
}

/// A start taken from the base, as the plain LoRA of twice the rank that means the same.
LoraFile from_host_start(const StoredAdapter& stored, const HfDirectory& base) {
  const std::unique_ptr<CausalLM> model = load_model(base, at::kFloat, at::kCPU);
  const std::unique_ptr<Adapter> adapter = load_adapter(*model, stored);
  const std::string recorded = stored.config.value("base_model_name_or_path", Json()).is_string()
                                   ? stored.config.at("base_model_name_or_path").get<std::string>()
                                   : base.path().string();
  NamedTensors tensors;
  for (const auto& [name, tensor] : adapter->exported()) {
    tensors.emplace_back(name, tensor.detach().clone());
  }
  return take_apart({adapter->file_config(recorded), tensors, stored.path});
}

LoraFile same_form(const StoredAdapter& stored, const HfDirectory* base) {
  const std::string type = type_of(stored);
  if (type == "ADALORA") {
    return from_adalora(stored);
  }
  if (type == "VERA") {
    return from_vera(stored, *base);
  }
  return starts_from_host(stored.config.at("init_lora_weights")) ? from_host_start(stored, *base)
                                                                 : take_apart(stored);
}

/// Cuts what is above the rank, or above what the module's shape allows.
void cut(LoraConversion& conversion, int64_t rank) {
  for (NamedUpdate& entry : conversion.lora.updates) {
    const int64_t full = entry.update.full_rank();
    const int64_t limit = rank > 0 ? std::min(rank, full) : full;
    if (entry.update.rank() > limit) {
      const LowRank whole = entry.update;
      entry.update = nearest(whole, limit);
      conversion.fits.push_back(
          {entry.path, entry.update.rank(), relative_error(entry.update, whole)});
    }
  }
}

/// Whether the source's own target_modules select the modules that have an update.
bool keeps_targets(const StoredAdapter& stored, const LoraFile& lora) {
  size_t own = lora.updates.size();
  if (type_of(stored) == "ADALORA") {
    own = paths_with(stored, ".lora_E").size();
  }
  return own == lora.updates.size() && !stored.config.value("target_modules", Json()).is_null();
}

}  // namespace

void check_convertible(const StoredAdapter& stored) {
  const std::string type = type_of(stored);
  const Method* const method = find_method(type);
  check<UsageError>(method != nullptr && method->mergeable,
                    "{}: {} changes no weight, so no LoRA does the same; use it as it is, with "
                    "--adapter",
                    stored.path.string(), type);
  const bool vectors = type == "LN_TUNING" || type == "BITFIT" ||
                       stored.config.value("target_modules", Json()) == kNoTargets;
  check<UsageError>(!vectors,
                    "{}: trains norms or biases alone, and no low-rank update holds those; `peft "
                    "merge` folds them into the base",
                    stored.path.string());
}

bool needs_base(const StoredAdapter& stored) {
  const std::string type = type_of(stored);
  return !has_the_form(stored) || type == "VERA" ||
         (type == "LORA" && starts_from_host(stored.config.at("init_lora_weights")));
}

LoraConversion to_lora(const StoredAdapter& stored, const HfDirectory* base, int64_t rank) {
  check_convertible(stored);
  TORCH_INTERNAL_ASSERT(base != nullptr || !needs_base(stored));
  const at::NoGradGuard no_grad;
  const std::string type = type_of(stored);
  LoraConversion conversion;
  if (!has_the_form(stored)) {
    const int64_t own = type == "LORA" ? stored.config.at("r").get<int64_t>() : kUsualRank;
    conversion = nearest_lora(stored, *base, rank > 0 ? rank : own);
  } else {
    conversion.lora = same_form(stored, base);
    cut(conversion, rank);
    sort_by_module(conversion.lora.updates);
    settle_config(conversion.lora, keeps_targets(stored, conversion.lora));
  }
  check<UsageError>(!conversion.lora.updates.empty(), "{}: the adapter changes nothing",
                    stored.path.string());
  return conversion;
}

}  // namespace peft
