#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/example.h"
#include "peft/tokenizer/chat_template.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// How rows become examples: the `data` section of a run file without the paths' meaning.
struct DataOptions {
  std::string format = "auto";         ///< auto, text, pair, instruct, chat, tokens
  std::string train_on = "assistant";  ///< assistant, last_assistant, completion, all
  bool train_on_eos = true;
  int64_t max_length = 2048;
  std::string overflow = "truncate";      ///< truncate, drop, split, error
  Json columns = Json::object();          ///< our name -> the file's name
  std::string special_in_text = "parse";  ///< parse, error: special tokens spelled out in a row
};

/// One file of a mixture.
struct DataSource {
  std::filesystem::path path;
  double weight = 1.0;
  std::optional<int64_t> limit = std::nullopt;
};

/// What happened to the rows, for the run's record and for refusals.
struct DataReport {
  std::string format;    ///< the shape that was detected or asked for
  std::string decision;  ///< one sentence: "chat, from the key "messages"; mapped ..."
  int64_t rows = 0;
  int64_t examples = 0;
  int64_t tokens = 0;
  int64_t scored_tokens = 0;
  int64_t longest = 0;
  int64_t truncated = 0;
  int64_t dropped_too_long = 0;
  int64_t dropped_unscored = 0;
  int64_t without_stop = 0;    ///< chat rows whose last trained span ends in no stop token
  int64_t split_per_turn = 0;  ///< rows whose template rewrites history
  int64_t duplicates = 0;
  int64_t special_in_text = 0;     ///< rows whose own text holds special-token strings
  std::vector<std::string> notes;  ///< lines with counts and row numbers, ready to print
  std::string sha256;              ///< of the files' bytes
};

/// Examples in file order.
struct Dataset {
  std::vector<Example> examples;
  DataReport report;
  std::vector<std::filesystem::path> files;
  std::vector<double> weights;  ///< of the files, as their sources ask; empty: 1 each
};

/// Everything that turns a row into tokens; borrowed, must outlive the call.
struct TextPipeline {
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  ///< null: the model has none
  std::vector<int32_t> stop_ids;                ///< eos, generation_config's eos ids
};

/// Reads and tokenises every row. Throws DataError for a bad row (file:line), for more than 1 % of
/// rows without a scored token, for a set with nothing to train on.
Dataset load_dataset(const std::vector<DataSource>& sources, const DataOptions& options,
                     const TextPipeline& pipeline);

/// The reference answer of a generation check: text of the last trained span without its stop
/// token.
std::string reference_answer(const Example& example, const TextPipeline& pipeline);

}  // namespace peft
