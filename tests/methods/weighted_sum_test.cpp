// Combined adapters against Hugging Face PEFT's add_weighted_adapter (scripts/make_fixtures.py).
#include "peft/methods/weighted_sum.h"

#include "support/fixtures.h"

namespace peft {
namespace {

std::filesystem::path folder_of(const std::string& model) {
  return fixture("combinations/" + model);
}

struct Sum {
  LoraFile lora;
  std::map<std::string, Tensor> tensors;  // and "product.M"
};

/// What a line of cases.json asks for.
Sum sum_of(const std::string& model, const Json& fields) {
  std::vector<LoraFile> adapters;
  const auto names = fields.at("adapters").get<std::vector<std::string>>();
  for (const std::string& name : names) {
    adapters.push_back(take_apart(read_adapter(folder_of(model) / name)));
  }
  const SumOptions options{find_combination(fields.at("method").get<std::string>()),
                           fields.at("weights").get<std::vector<double>>(),
                           fields.value("density", 1.0),
                           fields.value("majority_sign", "total") == "frequency",
                           fields.at("seed").get<uint64_t>(),
                           fields.value("rank", int64_t{0})};
  Sum sum{weighted_sum(adapters, names, options), {}};
  const StoredAdapter stored = put_together(sum.lora, "sum");
  sum.tensors.insert(stored.tensors.begin(), stored.tensors.end());
  for (const NamedUpdate& entry : sum.lora.updates) {
    sum.tensors["product." + entry.path] = entry.update.product();
  }
  return sum;
}

struct CombinationCase {
  std::string model;
  Json fields;
};

std::vector<CombinationCase> all_cases() {
  std::vector<CombinationCase> cases;
  for (const char* model : {"llama", "gpt2"}) {
    for (const Json& fields : read_json<ModelError>(folder_of(model) / "cases.json")) {
      cases.push_back({model, fields});
    }
  }
  return cases;
}

class WeightedSum : public testing::TestWithParam<CombinationCase> {};

TEST_P(WeightedSum, GivesTheReferencesTensors) {
  const auto& [model, fields] = GetParam();
  const Sum sum = sum_of(model, fields);
  const std::string prefix = fields.at("method").get<std::string>() + ".";
  int64_t compared = 0;
  for (const auto& [name, expected] : read_tensors(folder_of(model) / "expected.safetensors")) {
    if (name.starts_with(prefix)) {
      SCOPED_TRACE(name);
      const auto found = sum.tensors.find(name.substr(prefix.size()));
      ASSERT_NE(found, sum.tensors.end());
      const Tensor rows = found->second.narrow(0, 0, expected.size(0));
      EXPECT_TRUE(at::allclose(rows, expected, /*rtol=*/1e-5, /*atol=*/2e-6))
          << (rows - expected).abs().max().item<double>();
      ++compared;
    }
  }
  EXPECT_GE(compared, 3);
}

INSTANTIATE_TEST_SUITE_P(Cases, WeightedSum, testing::ValuesIn(all_cases()), [](const auto& entry) {
  return entry.param.model + "_" + entry.param.fields.at("method").template get<std::string>();
});

const Json kPair = {{"adapters", {"first", "second"}}, {"weights", {1.0, 1.0}}, {"seed", 7}};

Json with(const Json& more) {
  Json fields = kPair;
  fields.update(more);
  return fields;
}

std::string refusal(const Json& fields) {
  try {
    sum_of("llama", fields);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(WeightedSumOf, StackedFactorsIsExact) {
  const Sum sum = sum_of("llama", with({{"method", "cat"}}));
  const std::vector<LoraFile> adapters = {take_apart(read_adapter(folder_of("llama") / "first")),
                                          take_apart(read_adapter(folder_of("llama") / "second"))};
  for (const double distance : distances_from_sum(sum.lora, adapters, {1.0, 1.0})) {
    EXPECT_LT(distance, 1e-6);
  }
}

TEST(WeightedSumOf, OtherSeedsDropOtherNumbers) {
  const Json dare = with({{"method", "dare_linear"}, {"density", 0.5}});
  Json other = dare;
  other["seed"] = 8;
  const std::string name = "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight";
  EXPECT_FALSE(
      at::equal(sum_of("llama", dare).tensors.at(name), sum_of("llama", other).tensors.at(name)));
}

TEST(WeightedSumOf, IsStoredSoThatItIsReadBackTheSame) {
  TemporaryDirectory out;
  const Sum sum = sum_of("llama", with({{"method", "cat"}}));
  write_adapter(put_together(sum.lora, out.path()));
  const LoraFile again = take_apart(read_adapter(out.path()));
  ASSERT_EQ(again.updates.size(), sum.lora.updates.size());
  for (size_t i = 0; i < again.updates.size(); ++i) {
    EXPECT_EQ(again.updates[i].path, sum.lora.updates[i].path);
    EXPECT_TRUE(at::allclose(again.updates[i].update.product(),
                             sum.lora.updates[i].update.product(), /*rtol=*/1e-6, /*atol=*/1e-7));
  }
}

TEST(WeightedSumOf, DifferentRanksNeedsAMethodForThem) {
  EXPECT_EQ(refusal(with({{"method", "linear"}, {"adapters", {"first", "wide"}}})),
            "model.layers.0.self_attn.q_proj: ranks 2 and 3: this method needs the same; --method "
            "cat and the *_svd methods do not");
}

TEST(WeightedSumOf, WhatIsNoPlainLoraIsRefused) {
  const LoraFile dora = take_apart(read_adapter(fixture("methods/llama-lora-dora")));
  const LoraFile tokens = take_apart(read_adapter(fixture("methods/llama-lora-tokens")));
  const SumOptions options{find_combination("linear"), {1.0}};
  EXPECT_THROW(weighted_sum({dora}, {"dora"}, options), UsageError);
  EXPECT_THROW(weighted_sum({tokens}, {"tokens"}, options), UsageError);
}

}  // namespace
}  // namespace peft
