#include "peft/config/adapter_config.h"
#include "peft/methods/adapter_io.h"
#include "peft/methods/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

/// Files of a saved Houlsby adapter on a fixture model.
std::set<std::string> saved_files(const std::string& model_name,
                                  const std::filesystem::path& folder) {
  const auto model = fixture_model(model_name);
  const auto adapter =
      attach_adapter(*model, complete_adapter_config({{"peft_type", "HOULSBY"}}), /*seed=*/3);
  save_adapter(*adapter, folder, "tiny");
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(Bottleneck, LeavesTheNamesOfAPlugInModelBesideItself) {
  const TemporaryDirectory folder;
  EXPECT_EQ(saved_files("qwen3", folder.path()),
            (std::set<std::string>{"adapter.safetensors", "adapter_config.json",
                                   "adapter_interface.json"}));
  const Json file = read_json<ModelError>(folder.path() / "adapter_interface.json");
  EXPECT_EQ(file["model_type"], "qwen3");
  EXPECT_EQ(file["version"], "adapters.1.2.0");
  EXPECT_EQ(file["interface"].size(), 18u);
  const auto model = fixture_model("qwen3");
  const std::string layer = file["interface"]["model_layers"].get<std::string>() + ".0.";
  const auto modules = model->named_modules("", /*include_self=*/false);
  for (const char* part : {"layer_intermediate_proj", "layer_output_proj", "layer_self_attn",
                           "layer_pre_self_attn", "layer_pre_ffn"}) {
    const std::string path = "model." + layer + file["interface"][part].get<std::string>();
    EXPECT_TRUE(modules.contains(path)) << path;
  }
}

TEST(Bottleneck, LeavesNoneForModelsThatTheLibraryKnows) {
  const TemporaryDirectory folder;
  EXPECT_EQ(saved_files("llama", folder.path()).count("adapter_interface.json"), 0u);
}

}  // namespace
}  // namespace peft
