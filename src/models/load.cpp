#include "peft/models/load.h"

#include <ATen/ATen.h>

#include <cstring>
#include <set>

#include "peft/kernels/cuda_table.h"
#include "peft/models/registry.h"
#include "peft/models/scalar_type.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

constexpr int64_t kPieceBytes = int64_t{8} << 20;  // staging while a tensor changes its dtype

/// BERT's first files call a norm's weight and bias gamma and beta.
std::string older_name(const std::string& parameter) {
  for (const auto& [now, then] : {std::pair(".LayerNorm.weight", ".LayerNorm.gamma"),
                                  std::pair(".LayerNorm.bias", ".LayerNorm.beta")}) {
    if (parameter.ends_with(now)) {
      return parameter.substr(0, parameter.size() - std::string_view(now).size()) + then;
    }
  }
  return "";
}

/// The file's name of a parameter: its own or an older one, or either without the outer prefix when
/// the file was saved from the bare backbone. Empty if the file has none of them.
std::string stored_name(const HfDirectory& directory, const std::string& parameter,
                        const std::string& prefix) {
  for (const std::string& name : {parameter, older_name(parameter)}) {
    if (directory.tensors().count(name) > 0) {
      return name;
    }
    if (name.starts_with(prefix) && directory.tensors().count(name.substr(prefix.size())) > 0) {
      return name.substr(prefix.size());
    }
  }
  return "";
}

/// Buffers that old files carry and nobody needs, and the heads of other tasks.
bool is_ignorable(const std::string& name, const ModelShape& model) {
  const auto ends = [&](const char* suffix) { return name.ends_with(suffix); };
  return (model.classes() > 0 && is_other_head(name, model.model_type)) ||
         ends(".rotary_emb.inv_freq") || ends(".attn.bias") || ends(".attn.masked_bias") ||
         ends(".attention.bias") || ends(".attention.masked_bias") ||
         ends("embeddings.position_ids");
}

bool same_bytes(const HfDirectory& directory, const std::string& a, const std::string& b) {
  const TensorInfo& first = directory.tensors().at(a);
  const TensorInfo& second = directory.tensors().at(b);
  if (first.dtype != second.dtype || first.shape != second.shape) {
    return false;
  }
  std::vector<std::byte> left;
  std::vector<std::byte> right;
  for (uint64_t offset = 0; offset < first.bytes; offset += left.size()) {
    left.resize(std::min<uint64_t>(kPieceBytes, first.bytes - offset));
    right.resize(left.size());
    directory.read(a, offset, left);
    directory.read(b, offset, right);
    if (left != right) {
      return false;
    }
  }
  return true;
}

/// Which file tensors hold the token embedding and the head, and whether they are one matrix. Both
/// stored and different are not tied, whatever the config says.
struct Tying {
  bool tied = false;
  std::string embedding;
  std::string head;
};

Tying resolve_tying(const HfDirectory& directory, const ModelFamily& family) {
  Tying tying;
  tying.embedding = stored_name(directory, family.embedding, family.prefix);
  tying.head = stored_name(directory, "lm_head.weight", "");
  if (tying.head.empty()) {
    tying.head = stored_name(directory, "embed_out.weight", "");  // GPT-NeoX's files
  }
  const Json& config = directory.config();
  const bool wanted =
      config.contains("tie_word_embeddings") && config.at("tie_word_embeddings").is_boolean()
          ? config.at("tie_word_embeddings").get<bool>()
          : family.tied_by_default;
  const bool both = !tying.embedding.empty() && !tying.head.empty();
  tying.tied = wanted && (!both || same_bytes(directory, tying.embedding, tying.head));
  if (tying.tied && tying.embedding.empty()) {
    tying.embedding = tying.head;
  }
  return tying;
}

std::span<std::byte> bytes_of(Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

/// Reads one tensor into `target`, converting piece by piece when the dtypes differ.
void fill(const HfDirectory& directory, const std::string& name, Tensor target) {
  const TensorInfo& info = directory.tensors().at(name);
  const at::ScalarType stored = scalar_type(info.dtype, name);
  if (target.is_cpu() && target.scalar_type() == stored) {
    directory.read(name, bytes_of(target));
    return;
  }
  Tensor flat = target.view({-1});
  const int64_t size = element_size(info.dtype);
  const int64_t piece = kPieceBytes / size;
  Tensor staging = at::empty({std::min(piece, flat.numel())}, at::TensorOptions().dtype(stored));
  for (int64_t begin = 0; begin < flat.numel(); begin += piece) {
    Tensor part = staging.narrow(0, 0, std::min(piece, flat.numel() - begin));
    directory.read(name, static_cast<uint64_t>(begin * size), bytes_of(part));
    Tensor destination = flat.narrow(0, begin, part.numel());
    if (cuda_table() != nullptr && destination.is_cuda() && destination.scalar_type() == stored) {
      cuda_table()->copy_to_device(part, destination);
    } else {
      destination.copy_(part);
    }
  }
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

/// AMX processors have these instructions too.
bool cpu_multiplies_bfloat16() {
  return __builtin_cpu_supports("avx512bf16") != 0;
}

StoredNames checked_names(const HfDirectory& directory, const CausalLM& model,
                          const ModelFamily& family, const Tying& tying) {
  std::vector<std::string> faults;
  std::set<std::string> used;
  StoredNames names;
  for (const auto& entry : model.named_parameters()) {
    const bool is_new = directory.has_new_head() && is_class_head(entry.key());
    if (is_new) {
      continue;
    }
    const bool is_head = entry.key() == "lm_head.weight";
    if (is_head && tying.tied) {
      continue;  // the embedding's own memory
    }
    const std::string name = entry.key() == family.embedding ? tying.embedding
                             : is_head                       ? tying.head
                                       : stored_name(directory, entry.key(), family.prefix);
    if (name.empty()) {
      faults.push_back(fmt::format("{}: not in the file", entry.key()));
      continue;
    }
    used.insert(name);
    const TensorInfo& info = directory.tensors().at(name);
    if (info.shape != entry.value().sizes().vec()) {
      faults.push_back(fmt::format("{}: expected {}, found {}", name,
                                   shape_text(entry.value().sizes().vec()),
                                   shape_text(info.shape)));
      continue;
    }
    names.emplace_back(entry.key(), name);
  }
  if (tying.tied && !tying.head.empty()) {
    used.insert(tying.head);
  }
  for (const auto& [name, info] : directory.tensors()) {
    const bool old_head = directory.has_new_head() && is_class_head(name);
    if (used.count(name) == 0 && !old_head && !is_ignorable(name, model.shape())) {
      faults.push_back(fmt::format("{}: {} has no such tensor", name, family.class_name));
    }
  }
  check<ModelError>(
      faults.empty(), "{}: {} tensors do not fit {}\n  {}{}", directory.path().string(),
      faults.size(), family.class_name,
      fmt::join(faults.begin(), faults.begin() + std::min<size_t>(faults.size(), 20), "\n  "),
      faults.size() > 20 ? fmt::format("\n  ... and {} more", faults.size() - 20) : "");
  return names;
}

/// Those of a head that the files lack.
std::vector<std::string> new_parameters(const HfDirectory& directory, const CausalLM& model) {
  std::vector<std::string> names;
  for (const auto& entry : model.named_parameters()) {
    if (directory.has_new_head() && is_class_head(entry.key())) {
      names.push_back(entry.key());
    }
  }
  return names;
}

/// A head's answers are one class of several, or one number.
void check_problem_type(const Json& config, const std::string& where) {
  const size_t classes = class_labels(config).size();
  const Json type = config.value("problem_type", Json());
  const char* const known = classes == 1 ? "regression" : "single_label_classification";
  check<ModelError>(classes == 0 || type.is_null() || type == known,
                    "{}: problem_type: expected {} for {} labels, found {}", where, known, classes,
                    json_excerpt(type));
}

}  // namespace

at::ScalarType compute_dtype(const std::string& choice, const HfDirectory& directory,
                             at::Device device) {
  if (choice == "float32") {
    return at::kFloat;
  }
  if (choice == "bfloat16") {
    return at::kBFloat16;
  }
  if (choice == "float16") {
    return at::kHalf;
  }
  check<UsageError>(choice == "auto",
                    "model.dtype: expected auto, float32, bfloat16 or float16, found \"{}\"",
                    choice);
  const auto first = directory.tensors().begin();
  check<ModelError>(first != directory.tensors().end(), "{}: no tensors",
                    directory.path().string());
  const at::ScalarType stored = scalar_type(first->second.dtype, first->first);
  if (device.is_cuda()) {
    return stored == at::kDouble ? at::kFloat : stored;
  }
  return stored == at::kBFloat16 && cpu_multiplies_bfloat16() ? at::kBFloat16 : at::kFloat;
}

UnreadModel build_model(const HfDirectory& directory, at::ScalarType dtype, at::Device device) {
  const std::string where = (directory.path() / "config.json").string();
  check_problem_type(directory.config(), where);
  const ModelFamily& family = find_family(directory.model_type(), where);
  const Tying tying = resolve_tying(directory, family);
  const at::TensorOptions options = at::TensorOptions().dtype(dtype).device(device);
  UnreadModel unread{build_architecture({family, directory.config(), where, options, tying.tied,
                                         class_labels(directory.config())}),
                     {}};
  unread.model->eval();
  unread.names = checked_names(directory, *unread.model, family, tying);
  unread.model->new_parameters = new_parameters(directory, *unread.model);
  return unread;
}

std::unique_ptr<CausalLM> load_model(const HfDirectory& directory, at::ScalarType dtype,
                                     at::Device device) {
  UnreadModel unread = build_model(directory, dtype, device);
  const auto parameters = unread.model->named_parameters();
  const at::NoGradGuard no_grad;
  for (const auto& [parameter, name] : unread.names) {
    check_not_stopped();
    fill(directory, name, parameters[parameter]);
  }
  for (const std::string& name : unread.model->new_parameters) {
    parameters[name].zero_();
  }
  return std::move(unread.model);
}

}  // namespace peft
