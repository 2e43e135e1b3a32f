#include "peft/config/adapter_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/resolve.h"
#include "io/temporary_directory.h"
#include "peft/config/methods.h"
#include "peft/util/log.h"

namespace peft {
namespace {

std::string saved_refusal(const Json& saved) {
  try {
    complete_adapter_config(saved);
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

TEST(AdapterConfig, IsCompletedWithPeftsDefaults) {
  const Json complete =
      complete_adapter_config({{"peft_type", "LORA"}, {"target_modules", {"q_proj", "v_proj"}}});
  EXPECT_EQ(complete["r"], 8);
  EXPECT_EQ(complete["lora_alpha"], 8);
  EXPECT_EQ(complete["lora_dropout"], 0.0);
  EXPECT_EQ(complete["init_lora_weights"], true);
  EXPECT_EQ(complete["loftq_config"], Json::object());
  EXPECT_EQ(complete["megatron_core"], "megatron.core");
  EXPECT_FALSE(complete.contains("path"));
  EXPECT_FALSE(complete.contains("enable_lora"));
}

TEST(AdapterConfig, HasTheFieldsThatPeftWrites) {
  const Json complete = complete_adapter_config({{"peft_type", "LORA"}});
  std::vector<std::string> names;
  for (const auto& [name, value] : complete.items()) {
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  const std::vector<std::string> peft_0_21 = {"alora_invocation_tokens",
                                              "alpha_pattern",
                                              "arrow_config",
                                              "auto_mapping",
                                              "base_model_name_or_path",
                                              "bias",
                                              "corda_config",
                                              "ensure_weight_tying",
                                              "eva_config",
                                              "exclude_modules",
                                              "fan_in_fan_out",
                                              "inference_mode",
                                              "init_lora_weights",
                                              "kasa_config",
                                              "layer_replication",
                                              "layers_pattern",
                                              "layers_to_transform",
                                              "loftq_config",
                                              "lora_alpha",
                                              "lora_bias",
                                              "lora_dropout",
                                              "lora_ga_config",
                                              "megatron_config",
                                              "megatron_core",
                                              "modules_to_save",
                                              "monteclora_config",
                                              "peft_type",
                                              "peft_version",
                                              "qalora_group_size",
                                              "r",
                                              "rank_pattern",
                                              "revision",
                                              "target_modules",
                                              "target_parameters",
                                              "task_type",
                                              "trainable_token_indices",
                                              "use_bdlora",
                                              "use_dora",
                                              "use_qalora",
                                              "use_rslora",
                                              "velora_config"};
  EXPECT_EQ(names, peft_0_21);
}

TEST(AdapterConfig, WarnsOfUnknownKeysAndDropsThem) {
  const Json complete = complete_adapter_config({{"peft_type", "LORA"}, {"new_key", 1}}, "a.json");
  EXPECT_FALSE(complete.contains("new_key"));
  ASSERT_FALSE(warnings().empty());
  EXPECT_EQ(warnings().back(), "a.json: new_key: unknown key, not used");
}

TEST(AdapterConfig, RefusesWhatThisVersionLacks) {
  EXPECT_EQ(saved_refusal({{"peft_type", "BOFT"}}),
            "adapter_config.json: peft_type: \"BOFT\" is not among this version's methods: " +
                available_methods());
  EXPECT_EQ(saved_refusal({{"r", 8}}),
            "adapter_config.json: peft_type: expected the name of a method, found nothing");
  EXPECT_EQ(saved_refusal({{"peft_type", "LORA"}, {"use_qalora", true}}),
            "adapter_config.json: use_qalora: expected false, found true; QA-LoRA is not available "
            "in this version");
  EXPECT_EQ(
      saved_refusal({{"peft_type", "LORA"}, {"init_lora_weights", "pissa_niter_4"}, {"r", 0}}),
      "adapter_config.json: r: expected an integer >= 1, found 0\n  init_lora_weights: "
      "expected true or false or \"gaussian\", \"pissa\", \"olora\", found \"pissa_niter_4\"; "
      "pissa_niter_k draws numbers that no file records: write \"pissa\"; starts that need data "
      "are not available in this version");
}

TEST(AdapterConfig, ReadsStartsThatLeaveTheBaseAlone) {
  EXPECT_EQ(saved_refusal({{"peft_type", "LORA"}, {"init_lora_weights", "eva"}}), "");
}

TEST(AdapterConfig, OfAdapterHubIsReadAsItsPlacement) {
  const Json hub = {{"version", "adapters.1.3.0"},
                    {"name", "tiny"},
                    {"config",
                     {{"mh_adapter", true},
                      {"output_adapter", true},
                      {"is_parallel", false},
                      {"original_ln_before", false},
                      {"reduction_factor", 8},
                      {"phm_dim", 4},
                      {"non_linearity", "swish"}}}};
  const Json complete = complete_adapter_config(hub);
  EXPECT_EQ(complete["peft_type"], "HOULSBY");
  EXPECT_EQ(complete["reduction_factor"], 8);
  EXPECT_EQ(complete["scaling"], 1.0);
  EXPECT_EQ(complete["name"], "tiny");
}

TEST(AdapterConfig, OfAdapterHubInAnotherPlacementIsRefused) {
  const Json hub = {{"version", "adapters.1.3.0"},
                    {"config", {{"mh_adapter", true}, {"output_adapter", false}}}};
  EXPECT_EQ(saved_refusal(hub),
            "adapter_config.json: config: expected the placement of Houlsby, Pfeiffer or parallel "
            "adapters (mh_adapter, output_adapter, is_parallel, original_ln_before)");
}

TEST(AdapterConfig, OfEveryMethodIsCompleteAsItIsWritten) {
  for (const Method& method : methods()) {
    const Json complete = complete_adapter_config({{"peft_type", method.peft_type}});
    EXPECT_EQ(complete_adapter_config(complete), complete) << method.name;
  }
}

TEST(AdapterWeights, OfAdapterHubMayBePickledWhereThatIsAllowed) {
  const TemporaryDirectory folder;
  EXPECT_EQ(error_text([&] { open_adapter_weights(folder.path(), PickledWeights::kAllowed); }),
            folder.path().string() + ": no adapter_model.safetensors");
  std::filesystem::copy(std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures/io/torch_zip.bin",
                        folder / "pytorch_adapter.bin");
  EXPECT_EQ(open_adapter_weights(folder.path(), PickledWeights::kAllowed).tensors().size(), 13u);
  const std::string refusal =
      error_text([&] { open_adapter_weights(folder.path(), PickledWeights::kRefused); });
  EXPECT_TRUE(refusal.starts_with(folder.path().string() +
                                  ": holds only pickled weights (pytorch_adapter.bin)"))
      << refusal;
}

/// A stored adapter of rank 4 in a folder that ends with the test.
class GoingOn : public testing::Test {
 protected:
  GoingOn() {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "adapter_config.json")
        << R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["v", "q"]})";
  }
  ~GoingOn() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& more) const {
    return flat(R"("adapter": {"path": ")" + folder_.string() + "\"" + more + "}");
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / "peft_config_going_on";
};

TEST_F(GoingOn, StartsFromTheStoredConfig) {
  const ResolvedConfig config =
      resolve(file(R"(, "lora_dropout": 0.5, "target_modules": ["q", "v"])"));
  EXPECT_EQ(config.values["adapter"]["r"], 4);
  EXPECT_EQ(config.values["adapter"]["lora_alpha"], 8);
  EXPECT_EQ(config.values["adapter"]["lora_dropout"], 0.5);
  EXPECT_EQ(config.values["adapter"]["path"], folder_.string());
  EXPECT_EQ(config.origin["adapter.r"], folder_.string() + "/adapter_config.json");
}

TEST_F(GoingOn, TakesThePlainPathToo) {
  EXPECT_EQ(resolve(flat("\"adapter\": \"" + folder_.string() + "\"")).values["adapter"]["r"], 4);
}

TEST_F(GoingOn, RefusesAnotherShape) {
  const std::string message = refusal(file(R"(, "r": 8)"));
  EXPECT_NE(message.find("adapter.r: expected 4 as in " + folder_.string() +
                         ", found 8; training goes on with the shape of the stored adapter"),
            std::string::npos)
      << message;
}

TEST_F(GoingOn, SaysThatTheFolderIsMissing) {
  EXPECT_EQ(refusal(flat(R"("adapter": "no/such/folder")")),
            "no/such/folder: no such adapter folder");
}

}  // namespace
}  // namespace peft
