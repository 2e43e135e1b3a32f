#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "peft/data/chat_mask.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/sha256.h"
#include "peft/util/text.h"

namespace peft {

/// Masks rows by the template of one family, read without the blocks that mark its answers, and
/// spells them as scripts/fixtures/family_masks.py does.
class FamilyRows {
 public:
  explicit FamilyRows(const std::string& family)
      : template_(unmarked_template(family), tokenizer_->special()) {}

  static std::filesystem::path fixtures() { return PEFT_SOURCE_DIR "/tests/fixtures"; }

  /// Names of the families that a fixture is about.
  static std::vector<std::string> names(const Json& families) {
    std::vector<std::string> all;
    for (const auto& [name, modes] : families.items()) {
      all.push_back(name);
    }
    return all;
  }

  /// One hash for each batch of rows; counts what they came to.
  std::vector<std::string> hashes(const Json& rows, const DataOptions& options, size_t batch) {
    std::vector<std::string> outcomes, made;
    for (const Json& row : rows) {
      outcomes.push_back(outcome(row, options));
      if (outcomes.size() == batch) {
        made.push_back(sha256(join(outcomes, std::string(1, '\0'))).substr(0, 12));
        outcomes.clear();
      }
    }
    return made;
  }

  std::map<std::string, int64_t> counts = {
      {"ids", 0}, {"offsets", 0}, {"turns", 0}, {"refused", 0}, {"trained", 0}};

 private:
  static std::string unmarked_template(const std::string& family) {
    std::string text = read_text<DataError>(
        fixtures() / "template" / "families" / (family + ".jinja"), size_t{1} << 20);
    for (const std::string tag : {"{% generation %}", "{%- generation %}", "{% endgeneration %}"}) {
      for (size_t at = text.find(tag); at != std::string::npos; at = text.find(tag)) {
        text.erase(at, tag.size());
      }
    }
    return text;
  }

  std::string outcome(const Json& row, const DataOptions& options) {
    try {
      const Conversation conversation =
          read_conversation(row, detect_mapping(row, {}, "row"), /*knows_tools=*/true, "row");
      return spelled(mask_conversation(conversation, options, pipeline_, stops_, "row"),
                     /*with_stop=*/options.train_on != "all");
    } catch (const DataError&) {
      ++counts["refused"];
      return "refused";
    }
  }

  std::string spelled(const MaskedConversation& masked, bool with_stop) {
    static constexpr const char* kBorders[] = {"ids", "offsets", "turns"};
    std::string text = kBorders[static_cast<int>(masked.border)];
    ++counts[text];
    for (const FormattedRow& row : masked.rows) {
      text += "\n" + spelled(row, with_stop);
      counts["trained"] += std::count_if(row.labels.begin(), row.labels.end(),
                                         [](int32_t id) { return id != kIgnored; });
    }
    return text;
  }

  static std::string spelled(const FormattedRow& row, bool with_stop) {
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

  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(fixtures() / "data" / "tokenizer");
  ChatTemplate template_;
  TextPipeline pipeline_{*tokenizer_, &template_, {*tokenizer_->special().eos}};
  std::vector<int32_t> stops_ = stop_set(pipeline_);
};

}  // namespace peft
