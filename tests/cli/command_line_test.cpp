// The built program, end to end, without the engine.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "peft/util/json.h"

namespace peft {
namespace {

const std::string kConfig = std::string(PEFT_SOURCE_DIR) + "/configs/lora.json";

TEST(CommandLine, SaysItsVersion) {
  const Outcome outcome = peft("--version");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "peft 0.1.0\n");
}

TEST(CommandLine, HelpsWithEveryCommand) {
  for (const char* command : {"",
                              "train",
                              "plan",
                              "eval",
                              "generate",
                              "logits",
                              "tokenize",
                              "import",
                              "data",
                              "data show",
                              "data check",
                              "data stats",
                              "data tokenize",
                              "config",
                              "config show",
                              "config validate",
                              "config schema",
                              "methods",
                              "adapters",
                              "adapters info",
                              "adapters diff",
                              "adapters convert",
                              "adapters merge"}) {
    const Outcome outcome = peft(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_NE(outcome.out.find("--help"), std::string::npos) << command;
    EXPECT_EQ(outcome.err, "") << command;
  }
}

TEST(CommandLine, RefusesWhatItDoesNotKnowInOneLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"",
       "expected a command: train, plan, eval, merge, generate, logits, tokenize, data, methods, "
       "config, adapters, checkpoint, import"},
      {"trian", "unknown command \"trian\"; did you mean \"train\"?"},
      {"config shwo", "config: unknown command \"shwo\"; did you mean \"show\"?"},
      {"data", "data: expected a command: show, check, stats, tokenize"},
      {"methods --jsno", "unknown flag --jsno; did you mean \"--json\"?"},
      {"train --config x --learning_rate 1",
       "unknown flag --learning_rate; write "
       "training.learning_rate=VALUE"},
      {"train", "--config is required"},
      {"train --config no.json", "no.json: no such file"},
      {"train --config " + kConfig + " --device gpu",
       "--device: expected auto, cpu, cuda or cuda:N, found \"gpu\""},
      {"train --config " + kConfig + " --threads -1", "--threads: expected at least 0, found -1"},
      {"train --config " + kConfig + " training.sed=1",
       "--set: training.sed: unknown key; did you mean \"seed\"?"},
      {"train --config " + kConfig + " seed", "seed: expected KEY=VALUE, as in training.seed=7"},
      {"train --config " + kConfig + " --skip-bad 1x",
       "--skip-bad: expected a share, as in 1% or 0.01, found \"1x\""},
      {"train --config " + kConfig + " --skip-bad 100%",
       "--set: data.skip_bad: expected a number >= 0 and <= 0.99, found 1.0"},
      {"eval --data x",
       "--model is missing; give a model folder, or --adapter with one that records "
       "its base"},
      {"eval --model m --data x --format caht",
       "--format: expected auto, text, pair, instruct, chat, segments, classification, tokens, "
       "found \"caht\"; did you mean \"chat\"?"},
      {"eval --model m --data x --match '(' --generate 1",
       "--match: missing closing parenthesis at offset 1"},
      {"eval --model m --data x --match x", "--match: needs --generate N"},
      {"eval --model m --data x --compare",
       "--compare: needs --adapter DIR, to be compared with its base"},
      {"generate --model m", "expected one of --prompt, --messages and --input, found none"},
      {"generate --model m --prompt a --input b",
       "expected one of --prompt, --messages and --input, found several"},
      {"generate --model m --prompt a --top-p 0",
       "--top-p: expected a number > 0 and <= 1, found 0"},
      {"logits --model m --tokens t --out o --dtype fp8",
       "--dtype: expected auto, float32, bfloat16, float16, found \"fp8\""},
      {"tokenize --model m", "expected one of --text, --file and --messages, found none"},
      {"data show", "expected --config RUN.json, or --model DIR and --data FILE"},
      {"adapters merge a b --weights 1 --out o",
       "--weights: expected 2 numbers, one per adapter, found 1"},
      {"adapters merge a --weights 1 --out o --method tie",
       "--method: expected svd, linear, cat, ties, ties_svd, dare_linear, dare_linear_svd, "
       "dare_ties, dare_ties_svd, magnitude_prune, magnitude_prune_svd, found \"tie\"; did you "
       "mean "
       "\"ties\"?"},
      {"adapters merge a --weights 1 --out o --method ties",
       "--density: ties needs it, as in --density 0.5"},
      {"adapters merge a --weights 1 --out o --method cat --density 0.5",
       "--density: cat drops no numbers"},
      {"adapters merge a --weights 1 --out o --method cat --seed 5",
       "--seed: cat draws no random numbers"},
      {"adapters convert a --out b --to ia3", "--to: expected lora, found \"ia3\""},
      {"import x.gguf --out y --dtype int8",
       "--dtype: expected bfloat16, float16, float32, found \"int8\""},
  };
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = peft(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_EQ(outcome.err, "peft: error: " + message + "\n") << arguments;
  }
}

TEST(CommandLine, GivesMissingFoldersAndFilesTheirOwnExitCodes) {
  EXPECT_EQ(peft("tokenize --model no/such --text x").code, 3);
  EXPECT_EQ(peft("adapters info no/such").code, 3);
  EXPECT_EQ(peft("adapters diff no/such no/such").code, 3);
  EXPECT_EQ(peft("methods --model no/such").code, 3);
  EXPECT_EQ(peft("generate --model m --messages no/such.json").code, 4);
}

TEST(CommandLine, SaysThatTheLastOfTwoFlagsCounts) {
  const Outcome outcome = peft("tokenize --model a --model no/such --text x");
  EXPECT_EQ(outcome.err,
            "--model was given 2 times; the last counts\n"
            "peft: error: no/such: no such model folder\n");
}

TEST(CommandLine, FindsTheEngineBesideItselfOrSaysSo) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "peft_without_engine";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(std::string(PEFT_BINARY_DIR) + "/peft", folder / "peft",
                             std::filesystem::copy_options::overwrite_existing);
  const Outcome outcome =
      run_program((folder / "peft").string(), "logits --model m --tokens t --out o");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.err, "peft: error: " + (folder / "libpeft_engine.so").string() +
                             ": no such file; `peft logits` needs the engine beside the program\n");
  std::filesystem::remove_all(folder);
}

TEST(CommandLine, ShowsARunFileWithOrigins) {
  const Outcome outcome = peft("config show --config " + kConfig + " --set seed=7 --json");
  EXPECT_EQ(outcome.code, 0);
  const Json document = Json::parse(outcome.out);
  EXPECT_EQ(document["training"]["seed"], 7);
  EXPECT_EQ(document["origin"]["training.seed"], "--set");
  EXPECT_EQ(document["adapter"]["peft_type"], "LORA");
  EXPECT_NE(peft("config show --config " + kConfig).out.find("lora_alpha"), std::string::npos);
}

TEST(CommandLine, ValidatesARunFile) {
  const Outcome outcome = peft("config validate --config " + kConfig);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, kConfig + ": valid\n");
}

TEST(CommandLine, PrintsTheSchema) {
  const Outcome outcome = peft("config schema");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(Json::parse(outcome.out)["title"], "peft run file");
}

TEST(CommandLine, MigratesOtherToolsConfigs) {
  const std::string file =
      std::string(PEFT_SOURCE_DIR) + "/tests/fixtures/interchange/migrate/trl.yaml";
  const std::string command = "config migrate --from trl " + file;
  const Outcome outcome = peft(command);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(Json::parse(outcome.out).at("adapter").at("r"), 32);
  EXPECT_NE(outcome.err.find("not translated: " + file), std::string::npos) << outcome.err;
  EXPECT_EQ(peft(command + " --strict").code, 9);
  EXPECT_EQ(peft("config migrate --from trll " + file).code, 2);
  const std::string out = testing::TempDir() + "/peft_cli_migrated.json";
  EXPECT_EQ(peft(command + " --overwrite --output " + out).code, 0);
  EXPECT_EQ(peft("config validate --config " + out).code, 0);
  EXPECT_EQ(peft(command + " --output " + out).code, 2);
  std::filesystem::remove(out);
}

TEST(CommandLine, ListsMethods) {
  const Json list = Json::parse(peft("methods --json").out);
  ASSERT_EQ(list.size(), 15u);
  EXPECT_EQ(list[0]["name"], "lora");
  EXPECT_EQ(list[0]["mergeable"], true);
  EXPECT_EQ(list[0]["trainable_parameters"], nullptr);
  const std::string text = peft("methods").out;
  EXPECT_EQ(
      text.substr(0, text.find("adalora")),
      "lora           reparameterisation: a low-rank update B A beside each chosen linear layer\n"
      "               served by PEFT, vLLM, llama.cpp, and by any server once merged; learning "
      "rate "
      "0.0001\n");
  EXPECT_NE(text.find("served by any server once merged"), std::string::npos);  // full
  EXPECT_NE(text.find("served by PEFT; cannot be merged"), std::string::npos);
}

}  // namespace
}  // namespace peft
