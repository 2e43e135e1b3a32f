// The text of every refusal of a run file.
#include <gtest/gtest.h>

#include "config/resolve.h"
#include "peft/config/methods.h"

namespace peft {
namespace {

/// Refusal of a flat file whose second line holds `members`.
std::string of(const std::string& members) {
  return refusal(flat(members));
}

TEST(Messages, NameTheNearestKeyAtItsPlace) {
  EXPECT_EQ(refusal("{\"model\": \"m\", \"data\": \"t\",\n \"training\": {\"output_dir\": \"o\",\n"
                    "    \"learing_rate\": 1e-4}}"),
            "run.json:3:5: training.learing_rate: unknown key; did you mean \"learning_rate\"?");
  EXPECT_EQ(of(R"("learing_rate": 1e-4)"),
            "run.json:2:2: learing_rate: unknown key; did you mean \"learning_rate\"?");
  EXPECT_EQ(of(R"("qqqqqqqqqq": 1)"), "run.json:2:2: qqqqqqqqqq: unknown key");
  EXPECT_EQ(refusal(flat(""), {"training.sed=1"}),
            "--set: training.sed: unknown key; did you mean \"seed\"?");
}

TEST(Messages, NameTheSectionAKeyBelongsTo) {
  EXPECT_EQ(of(R"("adapter": {"learning_rate": 1})"),
            "run.json:2:14: adapter.learning_rate: unknown key; it belongs to \"training\"");
}

TEST(Messages, ShowTheRightSpellingOfANumber) {
  EXPECT_EQ(
      of(R"("learning_rate": "1e-4")"),
      "run.json:2:2: learning_rate: expected a number > 0, found \"1e-4\"; write 1e-4 without "
      "quotes");
  EXPECT_EQ(of(R"("shuffle": "true")"),
            "run.json:2:2: shuffle: expected true or false, found \"true\"; write true without "
            "quotes");
}

TEST(Messages, NameTypeAndRange) {
  EXPECT_EQ(of(R"("r": 0)"), "run.json:2:2: r: expected an integer >= 1, found 0");
  EXPECT_EQ(of(R"("r": 8.0)"), "run.json:2:2: r: expected an integer >= 1, found 8.0");
  EXPECT_EQ(of(R"("lora_dropout": 1.5)"),
            "run.json:2:2: lora_dropout: expected a number >= 0 and <= 0.99, found 1.5");
  EXPECT_EQ(of(R"("target_modules": [])"),
            "run.json:2:2: target_modules: expected a list of strings or a string, found []");
  EXPECT_EQ(
      of(R"("per_device_train_batch_size": "many")"),
      "run.json:2:2: per_device_train_batch_size: expected an integer >= 1 or \"auto\", found "
      "\"many\"");
  EXPECT_EQ(of(R"("rank_pattern": {"q_proj": "8"})"),
            "run.json:2:2: rank_pattern: expected an object of integers >= 1, found "
            "{\"q_proj\":\"8\"}");
}

TEST(Messages, NameTheChoices) {
  EXPECT_EQ(of(R"("packing": "bdf")"),
            "run.json:2:2: packing: expected \"none\", \"bfd\", found \"bdf\"; did you mean "
            "\"bfd\"?");
}

TEST(Messages, DescribeDataSources) {
  EXPECT_EQ(of(R"("eval": {"file": "x"})"),
            "run.json:2:2: eval: expected a file, {\"path\", \"weight\", \"limit\"}, or a list of "
            "these, found {\"file\":\"x\"}");
  EXPECT_EQ(of(R"("columns": {"txt": "body"})"),
            "run.json:2:2: columns: expected an object of columns (messages, role, content, roles, "
            "weight, train_detail, "
            "tools, system, instruction, input, history, prompt, completion, output, text, "
            "text_pair, label, segments, input_ids, labels), found {\"txt\":\"body\"}");
}

TEST(Messages, SayWhatIsMissing) {
  EXPECT_EQ(
      refusal(R"({"model": "m", "data": "t"})"),
      "run.json: training.output_dir: missing; folder of the adapter, the logs and the report");
  EXPECT_EQ(
      refusal("[]"),
      "run.json: expected an object with the sections model, adapter, data and training, found "
      "a list");
}

TEST(Messages, RefuseWhatThisVersionLacksByName) {
  EXPECT_EQ(of(R"("use_bdlora": true)"),
            "run.json:2:2: use_bdlora: expected null, found true; BD-LoRA is not available in this "
            "version");
  EXPECT_EQ(
      of(R"("report_to": ["wandb"])"),
      "run.json:2:2: report_to: expected a list of \"jsonl\", \"csv\", \"tensorboard\", found "
      "[\"wandb\"]; other programs read these files");
  EXPECT_EQ(of(R"("load_in_4bit": true)"),
            "run.json:2:2: load_in_4bit: expected false, found true; quantised models are not "
            "available in this version");
  EXPECT_NE(of(R"("peft_type": "BOFT")").find("found \"BOFT\"; did you mean \"OFT\"?"),
            std::string::npos);
  EXPECT_EQ(of(R"("ensure_weight_tying": true)"),
            "run.json:2:2: ensure_weight_tying: expected false, found true; adapting both sides of "
            "a tied embedding is not available in this version");
}

TEST(Messages, RefuseLookAlikesWithTheConversion) {
  EXPECT_EQ(of(R"("adapter": {"r": 8, "scale": 20})"),
            "run.json:2:22: adapter.scale: not alpha. mlx-lm's scale is alpha / r; for r = 8 write "
            "\"lora_alpha\": 160");
  EXPECT_EQ(
      of(R"("lora_parameters": {"rank": 8, "scale": 20.0})"),
      "run.json:2:33: lora_parameters.scale: not alpha. mlx-lm's scale is alpha / r; for r = 8 "
      "write \"lora_alpha\": 160");
  EXPECT_EQ(of(R"("mask_prompt": true)"),
            "run.json:2:2: mask_prompt: tools disagree on what this masks; write \"train_on\": "
            "\"assistant\" (answers only), \"completion\" (all after the prompt) or \"all\"");
  EXPECT_EQ(
      of(R"("batch_size": 4)"),
      "run.json:2:2: batch_size: means rows per step in one tool and rows per forward pass in "
      "another; write \"per_device_train_batch_size\" (one forward pass) or "
      "\"global_batch_size\" (one optimizer step)");
}

TEST(Messages, RefuseTwoNamesOfOneKey) {
  EXPECT_EQ(of(R"("r": 4, "lora_rank": 8)"),
            "run.json:2:10: lora_rank: the same key as \"r\" (run.json:2:2); keep one");
  EXPECT_EQ(refusal(flat(""), {"lr=1", "training.learning_rate=2"}),
            "--set: training.learning_rate: the same key as \"lr\" (--set); keep one");
  EXPECT_EQ(of(R"("adapter": {}, "peft": {})"),
            "run.json:2:17: peft: the same section as \"adapter\"; keep one");
}

TEST(Messages, RefuseBothKeysOfAnExclusivePair) {
  EXPECT_EQ(of(R"("num_train_epochs": 2, "max_steps": 5)"),
            "run.json:2:25: max_steps: cannot be given together with \"num_train_epochs\" "
            "(run.json:2:2); keep one");
  EXPECT_EQ(of(R"("warmup_ratio": 0.1, "warmup_steps": 5)"),
            "run.json:2:23: warmup_steps: cannot be given together with \"warmup_ratio\" "
            "(run.json:2:2); keep one");
  EXPECT_EQ(of(R"("gradient_accumulation_steps": 2, "global_batch_size": 16)"),
            "run.json:2:36: global_batch_size: cannot be given together with "
            "\"gradient_accumulation_steps\" (run.json:2:2); keep one");
}

TEST(Messages, RefuseSectionsOfAnotherForm) {
  EXPECT_EQ(of(R"("training": "x")"), "run.json:2:2: training: expected an object, found \"x\"");
  EXPECT_EQ(of(R"("adapter": "loar")"),
            "run.json:2:2: adapter: expected a method (" + available_methods() +
                ") or an adapter folder, found \"loar\"; did you mean \"lora\"?");
}

TEST(Messages, RefuseAdapterKeysThatContradictEachOther) {
  EXPECT_EQ(of(R"("target_modules": "q_proj,v_proj")"),
            "run.json:2:2: adapter.target_modules: \"q_proj,v_proj\" is one regular expression; "
            "write [\"q_proj\",\"v_proj\"]");
  EXPECT_EQ(of(R"("target_modules": ".*q_proj", "layers_to_transform": 0)"),
            "run.json:2:32: adapter.layers_to_transform: cannot be used with a regular expression; "
            "put the layer numbers into target_modules");
  EXPECT_EQ(of(R"("layers_pattern": "h")"),
            "run.json:2:2: adapter.layers_pattern: expected layers_to_transform beside it");
}

TEST(Messages, ListAllMistakesOfAFile) {
  EXPECT_EQ(of(R"("r": 0, "sed": 1)"),
            "run.json: 2 mistakes\n  run.json:2:2: r: expected an integer >= 1, found 0\n  "
            "run.json:2:10: sed: unknown key; did you mean \"seed\"?");
}

TEST(Messages, RefuseAFlagWithoutAValue) {
  EXPECT_EQ(refusal(flat(""), {"seed"}), "seed: expected KEY=VALUE, as in training.seed=7");
}

}  // namespace
}  // namespace peft
