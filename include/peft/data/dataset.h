#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/example.h"
#include "peft/tokenizer/chat_template.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// What rows are for, which decides the shapes that fit.
enum class Task {
  kLanguageModel,
  kClassification,  ///< a label of a set
  kRegression       ///< a number
};

/// How rows become examples: the `data` section of a run file without the paths' meaning.
struct DataOptions {
  std::string format =
      "auto";  ///< auto, text, pair, instruct, chat, segments, classification, tokens
  std::string train_on = "assistant";  ///< assistant, last_assistant, completion, all
  bool train_on_eos = true;
  int64_t max_length = 2048;
  std::string overflow = "truncate";      ///< truncate, drop, split, error
  Json columns = Json::object();          ///< our name -> the file's name
  std::string special_in_text = "parse";  ///< parse, plain, error: special tokens spelled in rows
  std::string text_split = "blank_line";  ///< blank_line, line, none: rows of a .txt file
  double skip_bad = 0.0;                  ///< share of rows that may break their shape
  bool refuses = true;  ///< false: what rows would be refused for is told in the report
  size_t keep_cut = 0;  ///< the first so many examples remember what data.overflow took from them
  Task task = Task::kLanguageModel;
  /// Classification: the labels in the order of the head's rows, as config.json's label2id or the
  /// training rows have them. Empty: those of the rows, see Dataset::label_names.
  std::vector<std::string> label_names = {};
  std::filesystem::path cache = {};  ///< folder of tokenised data sets; empty: none is kept
  int64_t cache_from = 0;            ///< bytes of rows that are worth a file there
};

/// One part of a mixture.
struct DataSource {
  std::filesystem::path path;  ///< a file, a folder, or a pattern with *, ? or [...]
  double weight = 1.0;
  std::optional<int64_t> limit = std::nullopt;  ///< its first rows, over all its files
  bool held_out = false;                        ///< of a folder with splits, take those
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
  int64_t contradicting_labels = 0;  ///< classifier: rows with an earlier row's text, not its label
  int64_t calls_ignored = 0;    ///< rows with tool_calls, which the chat template does not write
  int64_t other_labels = 0;     ///< rows of ids with labels that are other tokens than their ids
  int64_t special_in_text = 0;  ///< rows whose own text holds special-token strings
  int64_t bad_rows = 0;         ///< passed over, as data.skip_bad allows
  std::vector<std::string> refusals;          ///< why training would refuse the rows
  std::map<std::string, std::string> places;  ///< by name of a count above: "d.jsonl:3, 9"
  std::vector<std::string> notes;             ///< lines with counts and row numbers, ready to print
  std::string sha256;                         ///< of the one file, or of the hashes of several
};

/// Examples in file order.
struct Dataset {
  std::vector<Example> examples;
  DataReport report;
  std::vector<std::filesystem::path> files;
  std::vector<double> weights;  ///< of the files, as their sources ask; empty: 1 each
  /// Classification: the name of each label, Example::label being its place. DataOptions' order
  /// when that names them; else sorted, as numbers where all are integers, and integers that are
  /// 0 ... n - 1 stand for themselves.
  std::vector<std::string> label_names = {};
  std::map<int64_t, std::vector<int32_t>> cut_off = {};  ///< by Example::row, see keep_cut
  /// Gives back the memory of tokens that lie in a file and were looked at; they come again when
  /// they are wanted. Empty: they lie in memory.
  std::function<void()> give_back = {};

  /// Calls `use` with every example in order, and keeps only some megabytes of a file in memory.
  void walk(const std::function<void(const Example&)>& use) const;
};

/// Everything that turns a row into tokens; borrowed, must outlive the call.
struct TextPipeline {
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  ///< null: the model has none
  std::vector<int32_t> stop_ids;                ///< eos, generation_config's eos ids
  std::string tokenizer_hash = {};  ///< of the tokenizer's files; empty: nothing is cached
};

/// Reads and tokenises every row. Throws DataError for a bad row (file:line) or, with
/// data.skip_bad, for too many; for more than 1 % of rows without a scored token; for a set with
/// nothing to train on.
Dataset load_dataset(const std::vector<DataSource>& sources, const DataOptions& options,
                     const TextPipeline& pipeline);

/// The reference answer of a generation check: text of the last trained answer, masked parts and
/// all, without its stop token.
std::string reference_answer(const Example& example, const TextPipeline& pipeline);

}  // namespace peft
