// Prompt tuning that starts from a text.
#include "peft/config/adapter_config.h"
#include "peft/methods/adapter_io.h"
#include "peft/methods/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

Json text_start() {
  return complete_adapter_config({{"peft_type", "PROMPT_TUNING"},
                                  {"num_virtual_tokens", 5},
                                  {"prompt_tuning_init", "TEXT"},
                                  {"prompt_tuning_init_text", "a text"}});
}

TEST(PromptTuning, StartsFromATextsEmbeddingsRepeatedToTheLength) {
  const auto model = fixture_model("llama");
  Json config = text_start();
  config["prompt_tuning_init_ids"] = {7, 3};
  const auto adapter = attach_adapter(*model, config, /*seed=*/1);
  const Tensor ids = at::tensor({7, 3, 7, 3, 7}, at::kLong);
  EXPECT_TRUE(at::equal(adapter->exported().front().second,
                        model->token_embedding().weight().index_select(0, ids)));
  EXPECT_FALSE(adapter->config().contains("prompt_tuning_init_ids"));
}

TEST(PromptTuning, LoadsWhatStartedFromATextWithoutTheText) {
  const TemporaryDirectory folder;
  const auto model = fixture_model("llama");
  Tensor rows;
  {
    Json config = text_start();
    config["prompt_tuning_init_ids"] = {7, 3};
    const auto adapter = attach_adapter(*model, config, /*seed=*/1);
    rows = adapter->exported().front().second;
    save_adapter(*adapter, folder.path(), "base");
  }
  const auto loaded = load_adapter(*model, read_adapter(folder.path()));
  EXPECT_TRUE(at::equal(loaded->exported().front().second, rows));
}

}  // namespace
}  // namespace peft
