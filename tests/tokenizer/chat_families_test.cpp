#include <gtest/gtest.h>

#include <filesystem>

#include "fuzzed_chats.h"
#include "peft/tokenizer/chat_template.h"
#include "peft/util/sha256.h"
#include "peft/util/text.h"

namespace peft {
namespace {

const std::filesystem::path kFolder = PEFT_SOURCE_DIR "/tests/fixtures/template";

const Json& fixture() {
  static const Json json = read_json<DataError>(kFolder / "fuzzed.json");
  return json;
}

std::string digest(const std::vector<std::string>& texts) {
  return sha256(join(texts, std::string(1, '\0'))).substr(0, 12);
}

std::vector<FuzzedChat> chats() {
  std::vector<FuzzedChat> made;
  for (uint64_t i = 0; i < fixture().at("chats").get<uint64_t>(); ++i) {
    made.emplace_back(i);
  }
  return made;
}

// "text: ...", "refused: ..." with the words of raise_exception, or "refused".
std::string outcome(const ChatTemplate& chat_template, const FuzzedChat& chat) {
  try {
    return "text: " + chat_template.render(chat.messages, chat.tools, chat.add_generation_prompt);
  } catch (const DataError& error) {
    const std::string text = error.what();
    const std::string_view raised = "the chat template refuses this conversation: ";
    return text.starts_with(raised) ? "refused: " + text.substr(raised.size()) : "refused";
  }
}

TEST(FuzzedChats, AreThoseOfTheFixture) {
  std::vector<std::string> spelled;
  for (const FuzzedChat& chat : chats()) {
    spelled.push_back(Json::array({chat.messages, chat.tools, chat.add_generation_prompt}).dump());
  }
  EXPECT_EQ(digest(spelled), fixture().at("hash").get<std::string>());
}

/// Each family of templates, with hashes of what the reference renders.
class Families : public testing::TestWithParam<std::string> {};

TEST_P(Families, RenderFuzzedChatsAsTheReferenceDoes) {
  SpecialTokens special;
  special.bos_text = fixture().at("tokens").at("bos_token").get<std::string>();
  special.eos_text = fixture().at("tokens").at("eos_token").get<std::string>();
  const ChatTemplate chat_template(
      read_text<DataError>(kFolder / "families" / (GetParam() + ".jinja"), 1 << 20), special);
  const std::vector<FuzzedChat> all = chats();
  const auto batch = fixture().at("batch").get<size_t>();
  for (size_t first = 0; first < all.size(); first += batch) {
    std::vector<std::string> outcomes;
    for (size_t i = first; i < std::min(first + batch, all.size()); ++i) {
      outcomes.push_back(outcome(chat_template, all[i]));
    }
    EXPECT_EQ(digest(outcomes),
              fixture().at("families").at(GetParam()).at(first / batch).get<std::string>())
        << "chats from " << first << "; scripts/template_check shows them one by one";
  }
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const auto& [name, hashes] : fixture().at("families").items()) {
    names.push_back(name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Templates, Families, testing::ValuesIn(family_names()),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace peft
