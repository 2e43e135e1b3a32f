#include "peft/config/run_config.h"

#include <gtest/gtest.h>

#include "config/resolve.h"
#include "peft/config/data_config.h"

namespace peft {
namespace {

TEST(RunConfig, FillsEveryKeyWithItsDefault) {
  const Json values = resolve(flat("")).values;
  EXPECT_EQ(values["model"].dump(),
            R"({"name_or_path":"m","dtype":"auto","num_labels":null,"allow_pickle":false})");
  EXPECT_EQ(
      values["data"].dump(),
      R"({"train":"t.jsonl","eval":null,"eval_split_ratio":0.0,"format":"auto","columns":{},)"
      R"("chat_template":"tokenizer","train_on":"assistant","train_on_eos":true,)"
      R"("special_in_text":"parse","text_split":"blank_line","skip_bad":0.0,"max_length":2048,"overflow":"truncate","packing":"none","cache":"auto","shuffle":true})");
  EXPECT_EQ(values["training"].dump(),
            R"({"output_dir":"out","num_train_epochs":1,"max_steps":null,)"
            R"("per_device_train_batch_size":"auto","gradient_accumulation_steps":"auto",)"
            R"("global_batch_size":null,"learning_rate":0.0001,"lr_scheduler_type":"cosine",)"
            R"("warmup_ratio":0.03,"warmup_steps":null,"min_lr_ratio":0.0,"optim":"adamw",)"
            R"("weight_decay":0.0,"adam_beta1":0.9,"adam_beta2":0.999,"adam_epsilon":1e-08,)"
            R"("max_grad_norm":1.0,"gradient_checkpointing":"auto","loraplus_lr_ratio":null,)"
            R"("loraplus_lr_embedding":1e-06,"seed":42,"logging_steps":1,)"
            R"("report_to":["jsonl","csv","tensorboard"],"eval_steps":null,"save_steps":"auto",)"
            R"("save_total_limit":2,"resume_from_checkpoint":"auto",)"
            R"("metric_for_best_model":"eval_loss","early_stopping_patience":null,)"
            R"("loss_spike_policy":"warn"})");
}

TEST(RunConfig, StartsLoraFromTheDefaultsOfRunFiles) {
  const Json adapter = resolve(flat("")).values["adapter"];
  EXPECT_EQ(adapter["peft_type"], "LORA");
  EXPECT_EQ(adapter["r"], 16);
  EXPECT_EQ(adapter["lora_alpha"], 32);
  EXPECT_EQ(adapter["target_modules"], "all-linear");
  EXPECT_EQ(adapter["path"], nullptr);
  EXPECT_TRUE(adapter["task_type"].is_null());  // the base says it
}

TEST(RunConfig, ScalesAlphaWithTheRank) {
  const ResolvedConfig config = resolve(flat(R"("r": 4)"));
  EXPECT_EQ(config.values["adapter"]["lora_alpha"], 8);
  EXPECT_EQ(config.origin["adapter.lora_alpha"], "auto: 2 x r");
}

TEST(RunConfig, SaysWhereEachValueCameFrom) {
  const ResolvedConfig config = resolve(flat(R"("lora_rank": 4, "seed": 7)"), {"training.lr=2e-4"});
  EXPECT_EQ(config.origin["adapter.r"], "run.json:2:2 (as lora_rank)");
  EXPECT_EQ(config.origin["training.seed"], "run.json:2:18");
  EXPECT_EQ(config.origin["training.learning_rate"], "--set (as training.lr)");
  EXPECT_EQ(config.origin["training.weight_decay"], "default");
}

TEST(RunConfig, ReadsSectionsFlatNamesAndPlainStringsAlike) {
  const ResolvedConfig sections = resolve(
      R"({"model": {"name_or_path": "m"}, "peft": {"r": 4}, "data": {"train": "t.jsonl"},
          "training": {"output_dir": "out"}})");
  const ResolvedConfig plain = resolve(
      R"({"model": "m", "adapter": "lora", "r": 4, "data": "t.jsonl", "output_dir": "out"})");
  EXPECT_EQ(sections.values, plain.values);
}

TEST(RunConfig, ReadsTheNamesOfOtherTools) {
  const Json values = resolve(R"({
    "base_model": "m", "adapter": "lora", "datasets": [{"path": "t.jsonl"}], "val_set_size": 0.1,
    "lora_target_linear": true, "lora_r": 32, "lora_alpha": 16, "sequence_len": 512,
    "sample_packing": true, "micro_batch_size": 2, "num_epochs": 3, "lr_scheduler": "linear",
    "optimizer": "adamw_torch", "bf16": true, "adapter_path": "out",
    "lora_parameters": {"dropout": 0.1}})")
                          .values;
  EXPECT_EQ(values["data"]["train"].dump(), R"([{"path":"t.jsonl"}])");
  EXPECT_EQ(values["data"]["packing"], "bfd");
  EXPECT_EQ(values["data"]["max_length"], 512);
  EXPECT_EQ(values["data"]["eval_split_ratio"], 0.1);
  EXPECT_EQ(values["model"]["dtype"], "bfloat16");
  EXPECT_EQ(values["training"]["optim"], "adamw");
  EXPECT_EQ(values["training"]["num_train_epochs"], 3);
  EXPECT_EQ(values["training"]["output_dir"], "out");
  EXPECT_EQ(values["adapter"]["r"], 32);
  EXPECT_EQ(values["adapter"]["lora_dropout"], 0.1);
  EXPECT_EQ(values["adapter"]["target_modules"], "all-linear");
}

TEST(RunConfig, JoinsColumnsThatOtherToolsGiveOneByOne) {
  const Json values = resolve(flat(R"("prompt_feature": "q", "completion_feature": "a")")).values;
  EXPECT_EQ(values["data"]["columns"].dump(), R"({"prompt":"q","completion":"a"})");
}

TEST(RunConfig, LetsAFlagWinOverTheFile) {
  EXPECT_EQ(resolve(flat(R"("seed": 7)"), {"seed=8"}).values["training"]["seed"], 8);
}

TEST(RunConfig, NotesTwoFlagsForOneKey) {
  const ResolvedConfig config = resolve(flat(""), {"training.seed=8", "training.seed=9"});
  EXPECT_EQ(config.values["training"]["seed"], 9);
  EXPECT_EQ(config.notes,
            std::vector<std::string>{"--set training.seed was given twice; the last, 9, counts"});
}

TEST(RunConfig, LetsAFlagOverruleTheOtherKeyOfAnExclusivePair) {
  const ResolvedConfig config = resolve(flat(R"("num_train_epochs": 3)"), {"training.max_steps=5"});
  EXPECT_EQ(config.values["training"]["max_steps"], 5);
  EXPECT_EQ(config.values["training"]["num_train_epochs"], nullptr);
  EXPECT_EQ(config.origin["training.num_train_epochs"], "auto: training.max_steps is given");
  EXPECT_EQ(config.notes[0],
            "num_train_epochs (run.json:2:2) is overruled by training.max_steps (--set)");
}

TEST(RunConfig, TakesMinusOneAndNullAsNotGiven) {
  const Json training =
      resolve(flat(R"("max_steps": -1, "num_train_epochs": 2, "seed": null, "warmup_steps": 0,
                      "warmup_ratio": 0.1)"))
          .values["training"];
  EXPECT_EQ(training["max_steps"], nullptr);
  EXPECT_EQ(training["num_train_epochs"], 2);
  EXPECT_EQ(training["seed"], 42);
  EXPECT_EQ(training["warmup_ratio"], 0.1);
  EXPECT_EQ(training["warmup_steps"], nullptr);
}

TEST(RunConfig, AcceptsAKeyOfAMissingAbilityThatAsksForNothing) {
  EXPECT_EQ(refusal(flat(R"("quantization": null, "report_to": ["jsonl"], "use_qalora": false,
                            "gradient_checkpointing": "auto", "save_steps": 0,
                            "megatron_core": "x", "fan_in_fan_out": true)")),
            "");
}

TEST(RunConfig, GivesTypedDataOptionsAndSources) {
  const Json data = resolve(flat(R"("max_length": 9, "eval": ["a.jsonl", {"path": "b.jsonl",
                                     "weight": 2, "limit": 5}])"))
                        .values["data"];
  EXPECT_EQ(data_options(data, {}).max_length, 9);
  const std::vector<DataSource> sources = data_sources(data["eval"]);
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].path, "a.jsonl");
  EXPECT_EQ(sources[1].weight, 2.0);
  EXPECT_EQ(sources[1].limit, 5);
}

TEST(Overrides, ReadValuesAsJsonAndElseAsText) {
  EXPECT_EQ(parse_override("a.b=1e-4").value, 1e-4);
  EXPECT_EQ(parse_override("a.b=[\"x\"]").value, Json::array({"x"}));
  EXPECT_EQ(parse_override("a.b=out/lora=1").value, "out/lora=1");
  EXPECT_EQ(parse_override("a.b=").value, "");
}

}  // namespace
}  // namespace peft
