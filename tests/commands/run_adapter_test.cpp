// A fresh adapter against what its config promises.
#include "peft/commands/run_adapter.h"

#include <gtest/gtest.h>

#include "peft/config/adapter_config.h"
#include "peft/config/methods.h"
#include "support/fixtures.h"

namespace peft {
namespace {

/// Adapter sections of every method, small enough for the tiny models.
Json small_section(const Method& method) {
  static const std::map<std::string, Json> changes = {
      {"LORA", {{"r", 2}}},
      {"ADALORA", {{"init_r", 4}, {"target_r", 2}}},
      {"PROMPT_TUNING", {{"num_virtual_tokens", 3}}},
      {"P_TUNING", {{"num_virtual_tokens", 3}}},
      {"PREFIX_TUNING", {{"num_virtual_tokens", 3}}},
      {"ADAPTION_PROMPT", {{"adapter_len", 3}, {"adapter_layers", 1}}},
      {"VERA", {{"r", 8}}},
      {"OFT", {{"oft_block_size", 4}}}};
  Json section = {{"peft_type", method.peft_type}};
  if (const auto found = changes.find(method.peft_type); found != changes.end()) {
    section.update(found->second);
  }
  return complete_adapter_config(section);
}

class RunAdapter : public testing::Test {
 protected:
  /// Attaches a section on a fixture model as a run does.
  void make(const std::string& model_name, const Json& section) const {
    const HfDirectory directory(fixture("models/" + model_name));
    const auto model = fixture_model(model_name);
    const Json config = {{"adapter", section}, {"training", {{"seed", 1}}}};
    make_adapter(config, directory, *model, TextSide(directory, "tokenizer"));
  }
};

TEST_F(RunAdapter, TrainsAsManyNumbersAsTheFormulaOfEveryMethodSays) {
  for (const Method& method : methods()) {
    for (const char* model : {"llama", "mistral", "qwen2", "qwen3", "gpt2"}) {
      const bool has_biases = model == std::string("qwen2") || model == std::string("gpt2");
      if (method.peft_type == std::string("BITFIT") && !has_biases) {
        continue;
      }
      EXPECT_NO_THROW(make(model, small_section(method))) << method.name << " on " << model;
    }
  }
}

TEST_F(RunAdapter, CountsWhatTrainsBesideTheUpdate) {
  Json section = {{"peft_type", "LORA"}, {"r", 2}, {"target_modules", {"q_proj", "lm_head"}}};
  section["rank_pattern"] = {{"layers.1.self_attn.q_proj", 3}};
  section["use_dora"] = true;
  section["trainable_token_indices"] = {3, 5};
  EXPECT_NO_THROW(make("llama", complete_adapter_config(section)));
  section["modules_to_save"] = {"embed_tokens"};
  section.erase("trainable_token_indices");
  EXPECT_NO_THROW(make("llama", complete_adapter_config(section)));
}

TEST_F(RunAdapter, HasNoTargetThatTheModelLacks) {
  const Json section = {{"peft_type", "LORA"}, {"r", 2}, {"target_modules", {"q_proj", "query"}}};
  try {
    make("llama", complete_adapter_config(section));
    FAIL() << "was made";
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()),
              "adapter.target_modules: query matches no module of LlamaForCausalLM; leave it out");
  }
}

}  // namespace
}  // namespace peft
