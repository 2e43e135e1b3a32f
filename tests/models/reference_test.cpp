// Every architecture against transformers: logits and greedy tokens of tiny checkpoints
// (scripts/make_fixtures.py), and of two real ones where they are present.
#include "peft/evaluation/generator.h"
#include "support/tiny_models.h"

namespace peft {
namespace {

class Reference : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<CausalLM> model_ = fixture_model(GetParam());
  std::map<std::string, Tensor> expected_ =
      read_tensors(fixture("models/" + GetParam()) / "reference.safetensors");
};

TEST_P(Reference, GivesTheSameLogits) {
  for (const char* k : {"0", "1", "2"}) {
    SCOPED_TRACE(k);
    expect_same_logits(logits_of(*model_, ids_of(expected_.at(std::string("ids.") + k))),
                       expected_.at(std::string("logits.") + k));
  }
}

TEST_P(Reference, GivesTheSameLogitsForSequencesSideBySide) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<int32_t>> sequences;
  std::vector<Tensor> logits;
  for (const char* k : {"0", "1", "2"}) {
    sequences.push_back(ids_of(expected_.at(std::string("ids.") + k)));
    logits.push_back(expected_.at(std::string("logits.") + k));
  }
  expect_same_logits(model_->logits(model_->hidden(model_->input(make_batch(sequences)))),
                     at::cat(logits));
}

TEST_P(Reference, GeneratesTheSameGreedyTokens) {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::vector<int32_t>> expected;
  for (int k = 0; expected_.count("greedy." + std::to_string(k)) > 0; ++k) {
    prompts.push_back(ids_of(expected_.at("greedy_prompt." + std::to_string(k))));
    expected.push_back(ids_of(expected_.at("greedy." + std::to_string(k))));
  }
  ASSERT_FALSE(prompts.empty());
  const GenerateOptions options{.max_new_tokens = static_cast<int64_t>(expected[0].size())};
  const std::vector<Generated> together = generate(*model_, prompts, options, at::kCPU);
  for (size_t k = 0; k < prompts.size(); ++k) {
    EXPECT_EQ(together[k].ids, expected[k]);
    EXPECT_EQ(generate(*model_, {prompts[k]}, options, at::kCPU)[0].ids, expected[k]);
  }
}

INSTANTIATE_TEST_SUITE_P(TinyCheckpoints, Reference,
                         testing::ValuesIn(tiny_models_with("reference.safetensors")),
                         [](const auto& entry) { return test_name(entry.param); });

class RealModel : public testing::TestWithParam<const char*> {};

TEST_P(RealModel, GivesTheGreedyTokensOfItsReference) {
  if (test_data().empty()) {
    GTEST_SKIP() << "the folder of real models is not here (PEFT_TEST_DATA)";
  }
  const std::filesystem::path folder = test_data() / GetParam();
  const Json reference =
      read_json<DataError>(folder / "reference.json", {.bytes = size_t{16} << 20});
  const auto model = load_model(HfDirectory(folder), at::kFloat, at::kCPU);
  const auto ids = reference.at("greedy_from_bos").at("ids").get<std::vector<int32_t>>();
  const GenerateOptions options{.max_new_tokens = static_cast<int64_t>(ids.size()) - 1};
  const auto generated = generate(*model, {{ids.front()}}, options, at::kCPU);
  EXPECT_EQ(generated[0].ids, std::vector<int32_t>(ids.begin() + 1, ids.end()));
}

INSTANTIATE_TEST_SUITE_P(Stories, RealModel, testing::Values("stories260K", "tinystories-656K"));

}  // namespace
}  // namespace peft
