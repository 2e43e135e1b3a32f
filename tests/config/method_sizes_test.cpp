#include "peft/config/method_sizes.h"

#include <gtest/gtest.h>

#include "peft/config/adapter_config.h"

namespace peft {
namespace {

/// Llama-3.2-3B by its sizes: 28 layers, hidden 3072, keys 1024 wide, MLP 8192.
ModelSizes llama_3b() {
  ModelSizes model;
  model.hidden = model.embedding_width = 3072;
  model.layers = 28;
  model.vocabulary = 128256;
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    const std::string block = "model.layers." + std::to_string(layer) + ".";
    const auto add = [&](const char* name, Place place, int64_t in, int64_t out) {
      model.linears.push_back({block + name, place, layer, in, out});
    };
    add("self_attn.q_proj", Place::kQuery, 3072, 3072);
    add("self_attn.k_proj", Place::kKey, 3072, 1024);
    add("self_attn.v_proj", Place::kValue, 3072, 1024);
    add("mlp.down_proj", Place::kMlpDown, 8192, 3072);
    model.elements[block + "input_layernorm.weight"] = 3072;
    model.elements[block + "post_attention_layernorm.weight"] = 3072;
  }
  model.elements["model.norm.weight"] = 3072;
  return model;
}

int64_t trainable(Json config) {
  const Method& method = *find_method(config.at("peft_type").get<std::string>());
  return method_sizes(method, complete_adapter_config(config), llama_3b()).trainable;
}

// Hugging Face's own counts of the same model and settings.
TEST(MethodSizes, AreTheReferencesCounts) {
  const Json qv = {"q_proj", "v_proj"};
  EXPECT_EQ(trainable({{"peft_type", "LORA"}, {"r", 32}}), 9175040);
  EXPECT_EQ(trainable({{"peft_type", "LORA"}, {"r", 32}, {"use_dora", true}}), 9289728);
  EXPECT_EQ(trainable({{"peft_type", "ADALORA"}, {"init_r", 64}, {"target_modules", qv}}),
            18353664);
  EXPECT_EQ(trainable({{"peft_type", "IA3"}}), 286720);
  EXPECT_EQ(trainable({{"peft_type", "PROMPT_TUNING"}, {"num_virtual_tokens", 200}}), 614400);
  EXPECT_EQ(trainable({{"peft_type", "PREFIX_TUNING"}, {"num_virtual_tokens", 200}}), 11468800);
  EXPECT_EQ(trainable({{"peft_type", "P_TUNING"}, {"num_virtual_tokens", 20}}), 28382208);
  EXPECT_EQ(
      trainable({{"peft_type", "ADAPTION_PROMPT"}, {"adapter_len", 100}, {"adapter_layers", 28}}),
      8601628);
  EXPECT_EQ(trainable({{"peft_type", "LN_TUNING"}}), 175104);
  EXPECT_EQ(trainable({{"peft_type", "OFT"}, {"r", 32}, {"oft_block_size", 0}}), 8171520);
  EXPECT_EQ(trainable({{"peft_type", "VERA"}, {"r", 256}}), 129024);
}

TEST(MethodSizes, CountWhatTrainsBesideTheUpdate) {
  EXPECT_EQ(trainable({{"peft_type", "LORA"},
                       {"r", 32},
                       {"modules_to_save", {"model.norm"}},
                       {"trainable_token_indices", {1, 2}}}),
            9175040 + 3 * 3072);
  EXPECT_EQ(trainable({{"peft_type", "BITFIT"}}), 0);
}

TEST(MethodSizes, KnowThatOnlyThePromptIsStored) {
  const Json config = complete_adapter_config({{"peft_type", "P_TUNING"}});
  EXPECT_EQ(method_sizes(*find_method("p_tuning"), config, llama_3b()).stored, 20 * 3072);
}

}  // namespace
}  // namespace peft
