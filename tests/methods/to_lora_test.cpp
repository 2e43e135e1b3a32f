// Adapters of all methods as plain LoRA: the same logits where that is possible.
#include "peft/methods/to_lora.h"

#include "peft/config/adapter_config.h"
#include "peft/methods/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

const std::vector<int32_t> kIds = {3, 14, 15, 9, 2, 6, 5, 35};
constexpr int64_t kFullRank = 64;  // of every matrix of the tiny models

/// The model's logits with an adapter's folder.
Tensor logits_with(const std::string& model, const StoredAdapter& stored) {
  const auto host = fixture_model(model);
  const auto adapter = load_adapter(*host, stored);
  return logits_of(*host, kIds);
}

/// The conversion as it is read back from its folder.
StoredAdapter stored_again(const LoraConversion& conversion) {
  TemporaryDirectory out;
  write_adapter(put_together(conversion.lora, out.path()));
  return read_adapter(out.path());
}

HfDirectory base_of(const std::string& model) {
  return HfDirectory(fixture("models/" + model));
}

struct ConversionCase {
  const char* model;
  const char* adapter;
};

std::string name_of(const testing::TestParamInfo<ConversionCase>& info) {
  std::string name = std::string(info.param.adapter).substr(info.param.adapter[1] == 'e' ? 8 : 7);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

class ExactConversion : public testing::TestWithParam<ConversionCase> {};

TEST_P(ExactConversion, KeepsTheLogits) {
  const auto& [model, adapter] = GetParam();
  const StoredAdapter stored = read_adapter(fixture(adapter));
  const HfDirectory base = base_of(model);
  const LoraConversion conversion =
      to_lora(stored, needs_base(stored) ? &base : nullptr, /*rank=*/0);
  EXPECT_TRUE(conversion.fits.empty());
  const StoredAdapter lora = stored_again(conversion);
  EXPECT_EQ(lora.config.at("peft_type"), "LORA");
  EXPECT_EQ(lora.config.at("use_rslora"), false);
  EXPECT_EQ(lora.config.at("init_lora_weights"), true);
  expect_same_logits(logits_with(model, lora), logits_with(model, stored));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ExactConversion,
                         testing::Values(ConversionCase{"llama", "models/llama/lora-rslora"},
                                         ConversionCase{"llama", "models/llama/lora-patterns"},
                                         ConversionCase{"llama", "methods/llama-adalora"},
                                         ConversionCase{"llama", "methods/llama-adalora/pruned"},
                                         ConversionCase{"gpt2", "methods/gpt2-adalora/pruned"},
                                         ConversionCase{"llama", "methods/llama-vera"},
                                         ConversionCase{"llama", "methods/llama-vera-unsaved"},
                                         ConversionCase{"gpt2", "methods/gpt2-vera"},
                                         ConversionCase{"llama", "methods/llama-lora-pissa"},
                                         ConversionCase{"gpt2", "methods/gpt2-lora-pissa"},
                                         ConversionCase{"llama", "methods/llama-lora-olora"},
                                         ConversionCase{"llama", "methods/llama-lora-embeddings"},
                                         ConversionCase{"llama",
                                                        "methods/llama-lora-modules-to-save"},
                                         ConversionCase{"llama", "methods/llama-lora-tokens"},
                                         ConversionCase{"gpt2", "methods/gpt2-lora-bias-all"},
                                         ConversionCase{"gpt2", "methods/gpt2-lora-b-bias"}),
                         name_of);

class WholeConversion : public testing::TestWithParam<ConversionCase> {};

TEST_P(WholeConversion, KeepsTheLogitsAtFullRank) {
  const auto& [model, adapter] = GetParam();
  const StoredAdapter stored = read_adapter(fixture(adapter));
  const HfDirectory base = base_of(model);
  const LoraConversion conversion = to_lora(stored, &base, kFullRank);
  ASSERT_FALSE(conversion.fits.empty());
  for (const ModuleFit& fit : conversion.fits) {
    EXPECT_LT(fit.relative_error, 1e-5) << fit.path;
  }
  expect_same_logits(logits_with(model, stored_again(conversion)), logits_with(model, stored));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, WholeConversion,
                         testing::Values(ConversionCase{"llama", "methods/llama-lora-dora"},
                                         ConversionCase{"gpt2", "methods/gpt2-lora-dora"},
                                         ConversionCase{"llama", "methods/llama-ia3"},
                                         ConversionCase{"gpt2", "methods/gpt2-ia3"},
                                         ConversionCase{"llama", "methods/llama-oft"},
                                         ConversionCase{"llama", "methods/llama-oft-exact"}),
                         name_of);

/// A fully tuned model, stored.
StoredAdapter tuned(const std::string& model) {
  const at::NoGradGuard no_grad;
  TemporaryDirectory out;
  const auto host = fixture_model(model);
  const auto adapter =
      attach_adapter(*host, complete_adapter_config({{"peft_type", "FULL"}}), /*seed=*/1);
  for (auto [name, tensor] : adapter->trainable()) {
    tensor.add_(at::randn(tensor.sizes(), tensor_generator(/*seed=*/3, name)) * 0.05);
  }
  save_adapter(*adapter, out.path(), "base");
  return read_adapter(out.path());
}

class FullTuningConversion : public testing::TestWithParam<const char*> {};

TEST_P(FullTuningConversion, CarriesNormsBiasesAndTables) {
  const StoredAdapter stored = tuned(GetParam());
  const HfDirectory base = base_of(GetParam());
  const LoraConversion conversion = to_lora(stored, &base, kFullRank);
  expect_same_logits(logits_with(GetParam(), stored_again(conversion)),
                     logits_with(GetParam(), stored));
}

// Tied and untied, with biases and without, with a table of positions.
INSTANTIATE_TEST_SUITE_P(Fixtures, FullTuningConversion,
                         testing::Values("llama", "qwen2", "qwen3", "gpt2"));

TEST(Conversion, KeepsTheNumbersOfRsLora) {
  const StoredAdapter stored = read_adapter(fixture("models/llama/lora-rslora"));
  const LoraConversion conversion = to_lora(stored, nullptr, /*rank=*/0);
  const double alpha = stored.config.at("lora_alpha").get<double>();
  const double r = stored.config.at("r").get<double>();
  EXPECT_DOUBLE_EQ(conversion.lora.config.at("lora_alpha").get<double>(), alpha * std::sqrt(r));
  const LoraFile before = take_apart(stored);
  for (size_t i = 0; i < before.updates.size(); ++i) {
    EXPECT_TRUE(at::equal(conversion.lora.updates[i].update.a, before.updates[i].update.a));
    EXPECT_TRUE(at::equal(conversion.lora.updates[i].update.b, before.updates[i].update.b));
  }
}

TEST(Conversion, LeavesOutAdaLorasMaskedTriplets) {
  const StoredAdapter stored = read_adapter(fixture("methods/llama-adalora/pruned"));
  const Json config = to_lora(stored, nullptr, /*rank=*/0).lora.config;
  EXPECT_EQ(config.at("r"), 3);
  EXPECT_EQ(config.at("rank_pattern"), Json({{"model.layers.1.self_attn.v_proj", 2}}));
  EXPECT_EQ(config.at("target_modules").size(), 3u);  // the fourth has no triplet left
}

TEST(Conversion, MeasuresWhatARankLeavesOut) {
  const StoredAdapter stored = read_adapter(fixture("methods/llama-lora-dora"));
  const HfDirectory base = base_of("llama");
  const auto host = fixture_model("llama");
  const std::string weight = "model.layers.1.self_attn.v_proj.weight";
  const Tensor before = host->named_parameters()[weight].detach().clone();
  const Tensor values =
      at::linalg_svdvals(load_adapter(*host, stored)->merged(weight, before) - before);
  const auto share_beyond = [&](int64_t rank) {
    const Tensor rest = values.narrow(0, rank, values.size(0) - rank);
    return (rest.square().sum() / values.square().sum()).sqrt().item<double>();
  };
  for (const int64_t rank : {1, 2, 5}) {
    const ModuleFit fit = to_lora(stored, &base, rank).fits.back();
    EXPECT_EQ(fit.path + ".weight", weight);
    EXPECT_EQ(fit.rank, rank);
    EXPECT_NEAR(fit.relative_error, share_beyond(rank), 1e-5);
  }
}

TEST(Conversion, CutsAPlainLoraWhenAskedTo) {
  const StoredAdapter stored = read_adapter(fixture("models/llama/lora"));
  const LoraConversion conversion = to_lora(stored, nullptr, /*rank=*/1);
  EXPECT_EQ(conversion.lora.rank(), 1);
  ASSERT_EQ(conversion.fits.size(), conversion.lora.updates.size());
  const LoraFile whole = take_apart(stored);
  const Tensor product = whole.updates.front().update.product();
  const Tensor rest = product - conversion.lora.updates.front().update.product();
  EXPECT_NEAR(conversion.fits.front().relative_error, (rest.norm() / product.norm()).item<double>(),
              1e-5);
}

TEST(Conversion, RefusesMethodsThatChangeNoMatrix) {
  const auto refusal = [](const std::string& adapter) -> std::string {
    StoredAdapter stored = read_adapter(fixture("methods/" + adapter));
    stored.path = "DIR";
    try {
      check_convertible(stored);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("llama-prompt-tuning"),
            "DIR: PROMPT_TUNING changes no weight, so no LoRA does the same; use it as it is, with "
            "--adapter");
  const std::string vectors =
      "DIR: trains norms or biases alone, and no low-rank update holds those; `peft merge` folds "
      "them into the base";
  EXPECT_EQ(refusal("llama-ln-tuning"), vectors);
  EXPECT_EQ(refusal("gpt2-bitfit"), vectors);
  EXPECT_EQ(refusal("llama-ia3"), "");
}

TEST(LowRankUpdate, OfAProductIsThatOfTheMatrix) {
  const LowRank update{at::randn({5, 12}, tensor_generator(1, "a")),
                       at::randn({9, 5}, tensor_generator(1, "b")), 0.7};
  for (const int64_t rank : {1, 3, 8}) {
    const Tensor direct = nearest(update.product(), rank).product();
    EXPECT_TRUE(at::allclose(nearest(update, rank).product(), direct, /*rtol=*/1e-4,
                             /*atol=*/1e-5));
  }
  EXPECT_EQ(nearest(update, 8).rank(), 5);  // no more than it has
  EXPECT_EQ(nearest(at::zeros({4, 6}), 3).rank(), 1);
}

}  // namespace
}  // namespace peft
