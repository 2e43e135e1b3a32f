// peft merge: base and adapter -> one model folder, proved by its logits before it gets its name.
#include "peft/methods/merge.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "peft/commands/commands.h"
#include "peft/commands/engine_start.h"
#include "peft/commands/open_model.h"
#include "peft/io/fingerprint.h"
#include "peft/plan/machine_memory.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"
#include "peft/util/sha256.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kMark = "peft_merged";  // in config.json: hashes of the adapters inside
constexpr int64_t kProbeRows = 4;
constexpr int64_t kProbeTokens = 24;

// Differences of logits that count as the same, in units of their standard deviation. In float32
// every logit is held to it. Rounding to 16 bits moves each weight by up to 0.4 %, and the extreme
// of millions of logits says little about that, so their mean is held to it.
constexpr double kLargestInFloat32 = 1e-4;
constexpr double kMeanIn16Bits = 5e-2;

std::optional<Dtype> dtype_of(const std::string& choice) {
  if (choice == "float32") {
    return Dtype::kF32;
  }
  if (choice == "bfloat16") {
    return Dtype::kBF16;
  }
  return choice == "float16" ? std::optional(Dtype::kF16) : std::nullopt;
}

std::string adapter_hash(const StoredAdapter& stored) {
  return sha256_of_file(stored.weights);
}

/// The base must be the one that the adapter was trained on, as far as its run recorded it.
void check_base(const HfDirectory& base, const StoredAdapter& stored, bool any_base) {
  const std::filesystem::path report = stored.path / "run_report.json";
  if (any_base || !std::filesystem::exists(report)) {
    return;
  }
  const Json hashes =
      read_json<ModelError>(report, {.bytes = size_t{16} << 20}).value("hashes", Json::object());
  const std::string recorded = hashes.value("base_fingerprint", std::string());
  check<ModelError>(
      recorded.empty() || recorded == fingerprint(base),
      "{}: is not the base that {} was trained on (its tensors differ); give the right "
      "--model, or --any-base to merge all the same",
      base.path().string(), stored.path.string());
}

void check_not_merged_yet(const HfDirectory& base, const std::string& hash,
                          const StoredAdapter& stored) {
  const Json marks = base.config().value(kMark, Json::array());
  check<UsageError>(std::find(marks.begin(), marks.end(), Json(hash)) == marks.end(),
                    "{}: {} is merged into it already", base.path().string(), stored.path.string());
}

/// The base's config, with what the merge changed about it.
Json merged_config(const HfDirectory& base, const MergedWeights& weights, const Json& dtype,
                   const std::string& hash) {
  Json config = base.config();
  if (weights.untied) {
    config["tie_word_embeddings"] = false;
  }
  if (dtype.is_string()) {
    config.erase("torch_dtype");
    config["dtype"] = dtype;
  }
  if (!config.contains(kMark)) {
    config[kMark] = Json::array();
  }
  config[kMark].push_back(hash);
  return config;
}

/// Tokenizer, template, generation config and whatever else is no weight and no config.
void copy_other_files(const std::filesystem::path& from, const std::filesystem::path& to) {
  static const std::set<std::string> kWeights = {".safetensors", ".bin", ".gguf",   ".pt",
                                                 ".h5",          ".pth", ".msgpack"};
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool skip = name.starts_with(".") || name == "config.json" ||
                      name.ends_with(".index.json") ||
                      kWeights.count(entry.path().extension().string()) > 0;
    if (skip || !std::filesystem::is_regular_file(entry.path())) {
      continue;
    }
    const auto file = model_file(from, name);
    write_file(to / name, read_text<ModelError>(*file, size_t{512} << 20));
  }
}

/// The template that the adapter was trained with goes with the weights.
void copy_chat_template(const std::filesystem::path& adapter, const std::filesystem::path& to) {
  if (std::filesystem::exists(adapter / kChatTemplateFile)) {
    write_file(to / kChatTemplateFile,
               read_text<ModelError>(adapter / kChatTemplateFile, size_t{16} << 20));
  }
}

std::vector<std::vector<int32_t>> probe_rows(const ModelShape& shape) {
  const int64_t length = std::min(kProbeTokens, shape.max_positions);
  const Tensor ids = at::empty({kProbeRows, length}, at::kLong)
                         .random_(0, shape.vocabulary, tensor_generator(/*seed=*/1, "probe"));
  std::vector<std::vector<int32_t>> rows;
  for (int64_t i = 0; i < kProbeRows; ++i) {
    const Tensor row = ids[i].to(at::kInt).contiguous();
    rows.emplace_back(row.const_data_ptr<int32_t>(), row.const_data_ptr<int32_t>() + length);
  }
  return rows;
}

/// Logits of the probe's rows, float32, on a model that ends with this function.
Tensor probe_logits(const HfDirectory& directory, const StoredAdapter* stored) {
  const at::NoGradGuard no_grad;
  const std::unique_ptr<CausalLM> model = load_model(directory, at::kFloat, at::kCPU);
  const std::unique_ptr<Adapter> adapter =
      stored == nullptr ? nullptr : load_adapter(*model, *stored);
  return model->logits(make_batch(probe_rows(model->shape()))).to(at::kFloat);
}

struct Difference {
  double largest = 0.0;
  double mean = 0.0;
  double agreement = 0.0;   // share of rows with the same first choice
  double divergence = 0.0;  // mean KL(adapter || merged)
  double deviation = 0.0;   // of the adapter's logits
};

Difference compare(const Tensor& adapted, const Tensor& merged) {
  const Tensor distance = (adapted - merged).abs();
  const Tensor p = at::log_softmax(adapted.to(at::kDouble), -1);
  const Tensor q = at::log_softmax(merged.to(at::kDouble), -1);
  return {distance.max().item<double>(), distance.mean().item<double>(),
          (adapted.argmax(-1) == merged.argmax(-1)).to(at::kDouble).mean().item<double>(),
          (p.exp() * (p - q)).sum(-1).mean().item<double>(), adapted.std().item<double>()};
}

/// Whether the whole model fits beside us, in float32.
bool can_probe(const HfDirectory& base, const std::string& verify) {
  const int64_t needed = base.total_elements() * 4 + (int64_t{512} << 20);
  if (verify != "probe" || needed <= available_memory()) {
    return verify != "none";
  }
  log_warning(
      "the probe needs {} and {} are free: the merged model was not compared; --verify full "
      "tries all the same",
      human_bytes(needed), human_bytes(available_memory()));
  return false;
}

Json result_json(const std::optional<Difference>& difference, const MergedWeights& weights) {
  Json result = {{"max_logit_difference", nullptr},
                 {"mean_logit_difference", nullptr},
                 {"argmax_agreement", nullptr},
                 {"kl", nullptr}};
  if (difference) {
    result = {{"max_logit_difference", difference->largest},
              {"mean_logit_difference", difference->mean},
              {"argmax_agreement", difference->agreement},
              {"kl", difference->divergence}};
  }
  result["merged_tensors"] = weights.merged_tensors;
  result["bytes"] = weights.bytes;
  return result;
}

/// A start taken from the host's values needs them.
bool needs_values(const Json& adapter) {
  const Json init = adapter.value("init_lora_weights", Json(true));
  return init == "pissa" || init == "olora";
}

UnreadModel model_for(const HfDirectory& base, const StoredAdapter& stored) {
  UnreadModel model = build_model(base, at::kFloat, at::kCPU);
  if (needs_values(stored.config)) {
    model.model = load_model(base, at::kFloat, at::kCPU);
  }
  return model;
}

}  // namespace

void run_merge(const Json& request) {
  start_engine("cpu", request.at("threads").get<int64_t>());
  const StoredAdapter stored =
      read_adapter(request.at("adapter").get<std::string>(), pickles_of(request));
  const HfDirectory base = base_directory(request, stored);
  const std::filesystem::path out = request.at("out").get<std::string>();
  const std::string hash = adapter_hash(stored);
  check_not_merged_yet(base, hash, stored);
  check_base(base, stored, request.at("any_base").get<bool>());

  const Json dtype = request.at("dtype") == "auto" ? Json() : request.at("dtype");
  const std::optional<Dtype> rounds_to =
      dtype.is_string() ? dtype_of(dtype.get<std::string>()) : std::nullopt;
  MergedWeights weights;
  std::optional<Difference> difference;
  write_folder(out, request.at("overwrite").get<bool>(), [&](const std::filesystem::path& folder) {
    {
      const UnreadModel model = model_for(base, stored);
      const std::unique_ptr<Adapter> adapter = load_adapter(*model.model, stored);
      weights = write_merged_weights(base, model, *adapter, rounds_to, folder);
    }
    write_file(folder / "config.json", merged_config(base, weights, dtype, hash).dump(2) + "\n");
    copy_other_files(base.path(), folder);
    copy_chat_template(stored.path, folder);
    if (can_probe(base, request.at("verify").get<std::string>())) {
      const bool exact = rounds_to.value_or(base.tensors().begin()->second.dtype) == Dtype::kF32;
      difference = compare(probe_logits(base, &stored), probe_logits(HfDirectory(folder), nullptr));
      const double limit = (exact ? kLargestInFloat32 : kMeanIn16Bits) * difference->deviation;
      check<CheckFailed>(
          (exact ? difference->largest : difference->mean) <= limit,
          "{}: the merged model's logits are up to {:.3g} from the adapter's, {:.3g} on "
          "average; {} {:.3g} was expected; nothing was written",
          out.string(), difference->largest, difference->mean,
          exact ? "at most" : "on average at most", limit);
    }
  });
  if (weights.untied) {
    log_info("the head has its own matrix now: tie_word_embeddings is false");
  }
  if (difference) {
    log_info(
        "merged and unmerged logits: at most {:.3g} apart, {:.3g} on average, KL {:.3g}, the same "
        "first choice in {:.1f} % of rows",
        difference->largest, difference->mean, difference->divergence,
        100.0 * difference->agreement);
  }
  log_info("{} of {} tensors merged, {} -> {}", weights.merged_tensors, base.tensors().size(),
           human_bytes(weights.bytes), out.string());
  if (request.at("json").get<bool>()) {
    fmt::print("{}\n", result_json(difference, weights).dump(2));
  }
}

}  // namespace peft
