#include <gtest/gtest.h>

#include <filesystem>

#include "peft/data/chat_mask.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/sha256.h"
#include "peft/util/text.h"

namespace peft {
namespace {

const std::filesystem::path kFixtures = PEFT_SOURCE_DIR "/tests/fixtures";

const Json& family_fixture() {
  static const Json json =
      read_json<DataError>(kFixtures / "data" / "family_masks.json", {.bytes = 1 << 22});
  return json;
}

// The template of a family without the blocks that mark the answers.
std::string unmarked_template(const std::string& family) {
  std::string text = read_text<DataError>(kFixtures / "template" / "families" / (family + ".jinja"),
                                          size_t{1} << 20);
  for (const std::string tag : {"{% generation %}", "{%- generation %}", "{% endgeneration %}"}) {
    for (size_t at = text.find(tag); at != std::string::npos; at = text.find(tag)) {
      text.erase(at, tag.size());
    }
  }
  return text;
}

// What a row comes to, spelled as scripts/fixtures/family_masks.py spells it.
std::string spelled(const FormattedRow& row, bool with_stop) {
  std::vector<std::string> ids, runs;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    ids.push_back(fmt::format("{}", row.ids[i]));
    if (row.labels[i] == kIgnored) {
      continue;
    }
    EXPECT_EQ(row.labels[i], row.ids[i]);
    const size_t begin = i;
    while (i + 1 < row.ids.size() && row.labels[i + 1] != kIgnored) {
      ids.push_back(fmt::format("{}", row.ids[++i]));
    }
    runs.push_back(fmt::format("{}-{}", begin, i + 1));
  }
  return join(ids, " ") + ";" + join(runs, ",") + (with_stop ? fmt::format(";{}", row.stop) : "");
}

struct Tally {
  std::map<std::string, int64_t> counts = {
      {"ids", 0}, {"offsets", 0}, {"turns", 0}, {"refused", 0}, {"trained", 0}};

  std::string add(const MaskedConversation& masked, bool with_stop) {
    static constexpr const char* kBorders[] = {"ids", "offsets", "turns"};
    const std::string border = kBorders[static_cast<int>(masked.border)];
    ++counts[border];
    std::string text = border;
    for (const FormattedRow& row : masked.rows) {
      text += "\n" + spelled(row, with_stop);
      counts["trained"] += std::count_if(row.labels.begin(), row.labels.end(),
                                         [](int32_t id) { return id != kIgnored; });
    }
    return text;
  }
};

class FamilyMasks : public testing::TestWithParam<std::string> {
 protected:
  std::string outcome(const Json& row, const std::string& mode, Tally& tally) const {
    const DataOptions options{.train_on = mode};
    try {
      const Conversation conversation =
          read_conversation(row, detect_mapping(row, {}, "row"), /*knows_tools=*/true, "row");
      return tally.add(mask_conversation(conversation, options, pipeline_, stops_, "row"),
                       /*with_stop=*/mode != "all");
    } catch (const DataError&) {
      ++tally.counts["refused"];
      return "refused";
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(kFixtures / "data" / "tokenizer");
  ChatTemplate template_{unmarked_template(GetParam()), tokenizer_->special()};
  TextPipeline pipeline_{*tokenizer_, &template_, {*tokenizer_->special().eos}};
  std::vector<int32_t> stops_ = stop_set(pipeline_);
};

TEST_P(FamilyMasks, AreThoseOfTheReference) {
  const Json& rows = family_fixture().at("rows");
  const auto batch = family_fixture().at("batch").get<size_t>();
  for (const auto& [mode, expected] : family_fixture().at("families").at(GetParam()).items()) {
    SCOPED_TRACE(mode);
    Tally tally;
    std::vector<std::string> outcomes, hashes;
    for (const Json& row : rows) {
      outcomes.push_back(outcome(row, mode, tally));
      if (outcomes.size() == batch) {
        hashes.push_back(sha256(join(outcomes, std::string(1, '\0'))).substr(0, 12));
        outcomes.clear();
      }
    }
    for (const auto& [name, count] : tally.counts) {
      EXPECT_EQ(count, expected.at(name).get<int64_t>()) << name;
    }
    EXPECT_EQ(hashes, expected.at("hashes").get<std::vector<std::string>>());
  }
}

std::vector<std::string> marked_families() {
  std::vector<std::string> names;
  for (const auto& [name, modes] : family_fixture().at("families").items()) {
    names.push_back(name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Templates, FamilyMasks, testing::ValuesIn(marked_families()),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace peft
