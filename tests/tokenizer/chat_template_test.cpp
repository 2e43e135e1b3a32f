#include "peft/tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "io/temporary_directory.h"
#include "peft/util/error.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

SpecialTokens special_tokens(const std::string& bos, const std::string& eos) {
  SpecialTokens special;
  special.bos_text = bos;
  special.eos_text = eos;
  return special;
}

// The rendering, or "refused" with the template's own message where it has one.
std::string outcome(const ChatTemplate& chat_template, const Json& messages, const Json& tools,
                    bool add_generation_prompt) {
  try {
    return "text: " + chat_template.render(messages, tools, add_generation_prompt);
  } catch (const DataError& error) {
    const std::string text = error.what();
    const std::string_view raised = "the chat template refuses this conversation: ";
    return text.starts_with(raised) ? "refused: " + text.substr(raised.size()) : "refused";
  }
}

std::string expected_outcome(const Json& entry) {
  if (entry.contains("text")) {
    return "text: " + entry["text"].get<std::string>();
  }
  return entry["message"].is_null() ? "refused" : "refused: " + entry["message"].get<std::string>();
}

// Compares every case of a file made by the reference: templates, conversations, renderings.
void expect_as_the_reference(const fs::path& file) {
  const Json fixture = read_json<ModelError>(file, {.bytes = size_t{64} << 20});
  const SpecialTokens special = special_tokens(fixture["tokens"]["bos_token"].get<std::string>(),
                                               fixture["tokens"]["eos_token"].get<std::string>());
  for (const Json& family : fixture["families"]) {
    const auto name = family["name"].get<std::string>();
    const ChatTemplate chat_template(
        family.contains("template")
            ? family["template"].get<std::string>()
            : read_text<ModelError>(file.parent_path() / "families" / (name + ".jinja"), 1 << 20),
        special);
    for (const Json& entry : family["cases"]) {
      const Json& messages = fixture["conversations"][entry["conversation"].get<size_t>()];
      EXPECT_EQ(outcome(chat_template, messages, entry["tools"] ? fixture["tools"] : Json(),
                        entry["add_generation_prompt"].get<bool>()),
                expected_outcome(entry))
          << family["name"] << " " << messages.dump();
    }
  }
}

TEST(ChatTemplate, RendersEveryFamilyAsTheReferenceDoes) {
  expect_as_the_reference(PEFT_SOURCE_DIR "/tests/fixtures/template/families.json");
}

TEST(ChatTemplate, RendersTheTemplatesOfTheDataFolder) {
  const char* const named = std::getenv("PEFT_TEST_DATA");
  const fs::path folder =
      (named != nullptr ? fs::path(named) : fs::path(PEFT_SOURCE_DIR) / ".." / "shared" / "data") /
      "chat_templates";
  if (!fs::exists(folder)) {
    GTEST_SKIP() << "no templates in " << folder << "; set PEFT_TEST_DATA";
  }
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == ".json") {
      expect_as_the_reference(file.path());
    }
  }
}

const Json kHello = Json::array({{{"role", "user"}, {"content", "Hi"}}});

TEST(ChatTemplate, LeavesOutTokensThatAreAbsent) {
  const ChatTemplate chat_template("[{{ bos_token }}][{{ eos_token is defined }}]",
                                   special_tokens("", ""));
  EXPECT_EQ(chat_template.render(kHello, Json(), false), "[][False]");
}

TEST(ChatTemplate, RefusesMessagesThatAreNoList) {
  const ChatTemplate chat_template("", {});
  EXPECT_EQ(outcome(chat_template, Json::array({"Hi"}), Json(), false), "refused");
  EXPECT_EQ(outcome(chat_template, Json("Hi"), Json(), false), "refused");
  EXPECT_EQ(outcome(chat_template, kHello, Json("tools"), false), "refused");
}

TEST(ChatTemplate, NamesTheLineOfAFault) {
  try {
    ChatTemplate("\n{% if %}", {});
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_STREQ(error.what(), "chat template: line 2: expected an expression, found \"%}\"");
  }
}

TEST(ChatTemplate, SurvivesBeingMoved) {
  ChatTemplate first("{{ messages[0].content }}", {});
  const ChatTemplate second = std::move(first);
  EXPECT_EQ(second.render(kHello, Json(), false), "Hi");
  EXPECT_EQ(second.source(), "{{ messages[0].content }}");
}

TEST(FindChatTemplate, PrefersTheFileOfItsOwn) {
  const TemporaryDirectory folder;
  put_file(folder / "tokenizer_config.json", R"({"chat_template": "in the config"})");
  EXPECT_EQ(find_chat_template(folder.path()), "in the config");
  put_file(folder / "chat_template.jinja", "in a file\n");
  EXPECT_EQ(find_chat_template(folder.path()), "in a file\n");
}

TEST(FindChatTemplate, TakesTheDefaultOfAList) {
  const TemporaryDirectory folder;
  put_file(folder / "tokenizer_config.json",
           R"({"model_max_length": 1000000000000000019884624838656, "chat_template":
               [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(find_chat_template(folder.path()), "d");
}

TEST(FindChatTemplate, FindsNoneWhereThereIsNone) {
  const TemporaryDirectory folder;
  EXPECT_EQ(find_chat_template(folder.path()), std::nullopt);
  put_file(folder / "tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(find_chat_template(folder.path()), std::nullopt);
  EXPECT_FALSE(load_chat_template("tokenizer", folder.path(), {}).has_value());
}

TEST(FindChatTemplate, RefusesATemplateThatIsNoText) {
  const TemporaryDirectory folder;
  put_file(folder / "tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_THROW(find_chat_template(folder.path()), ModelError);
  put_file(folder / "tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_THROW(find_chat_template(folder.path()), ModelError);
}

TEST(LoadChatTemplate, KnowsChatMl) {
  const auto chat_template = load_chat_template("chatml", "nowhere", {});
  EXPECT_EQ(chat_template->render(kHello, Json(), true),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(LoadChatTemplate, ReadsAFile) {
  const TemporaryDirectory folder;
  put_file(folder / "mine.jinja",
           "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
  const auto chat_template =
      load_chat_template((folder / "mine.jinja").string(), "nowhere", special_tokens("", "</s>"));
  EXPECT_EQ(chat_template->render(kHello, Json(), false), "Hi</s>");
}

TEST(LoadChatTemplate, RefusesAFileThatIsMissing) {
  EXPECT_THROW(load_chat_template("no such file", "nowhere", {}), UsageError);
}

}  // namespace
}  // namespace peft
