#pragma once

#include <string>
#include <vector>

#include "foreign_config.h"
#include "peft/interchange/migrate.h"

namespace peft {

class MigrationWork;

/// Turns one of their values into ours; null: nothing is written. May report through the work.
using Translate = Json (*)(const ForeignKey& key, MigrationWork& work);

/// What becomes of one of their keys.
struct MigrationRule {
  std::string key;           ///< theirs, dotted
  std::string ours = {};     ///< "training.seed"; empty: nothing of ours says it
  std::string why = {};      ///< what is different here; with `ours` empty: why it is left out
  Translate translate = {};  ///< null: the value as it is
  std::vector<Json> neutral = {};  ///< values that ask for nothing, of a key that is left out
};

/// A default of theirs that is not ours.
struct MigrationDefault {
  std::string ours;
  Json value;
  std::vector<std::string> unless = {};  ///< other keys of ours that say the same thing
};

/// One tool: its tables, and what a table cannot say.
struct MigrationTool {
  std::string name;
  std::string title;
  std::vector<MigrationRule> rules;
  std::vector<std::string> ignored;  ///< keys that change nothing of what is trained
  std::vector<MigrationDefault> defaults;
  void (*finish)(MigrationWork& work) = nullptr;  ///< behind the rules, before the defaults
};

const MigrationTool& trl_tool();
const MigrationTool& axolotl_tool();
const MigrationTool& llamafactory_tool();
const MigrationTool& mlx_tool();
const MigrationTool& torchtune_tool();
const MigrationTool& swift_tool();
const MigrationTool& unsloth_tool();

/// Why nothing comes of a 4-bit or 8-bit base.
inline constexpr const char* kNoQuantisedBases =
    "quantised bases are not available in this version: the base stays as it is";

/// Rules for axolotl's data sets.
std::vector<MigrationRule> axolotl_data_rules();

/// Rules, ignored keys and defaults of transformers' TrainingArguments, on which TRL, LLaMA-Factory
/// and ms-swift build.
std::vector<MigrationRule> training_argument_rules();
std::vector<std::string> training_argument_ignored();
std::vector<MigrationDefault> training_argument_defaults();

/// One table behind the other; of two entries for one key the first counts.
template <class T>
std::vector<T> both(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A migration at work.
class MigrationWork {
 public:
  MigrationWork(const ForeignConfig& theirs, const MigrationTool& tool)
      : theirs_(theirs), tool_(tool) {}

  const ForeignConfig& theirs() const { return theirs_; }
  /// Our key's value so far, or null.
  Json ours(const std::string& path) const;
  bool has(const std::string& path) const { return !ours(path).is_null(); }
  void set(const std::string& path, Json value);
  void erase(const std::string& path);

  /// Reports about one of their keys.
  void changed(const ForeignKey& key, const std::string& text);
  void left(const ForeignKey& key, const std::string& why);
  void refuse(const ForeignKey& key, const std::string& text);

  /// Runs the whole: rules, unknown keys, finish, defaults. Throws UsageError for all refusals.
  Migration run();

 private:
  void apply(const MigrationRule& rule, const ForeignKey& key);
  void unknown(const ForeignKey& key);
  void write_defaults();
  void settle_pairs();
  void drop_adapter_keys_of_full();
  std::string at(const ForeignKey& key) const;

  const ForeignConfig& theirs_;
  const MigrationTool& tool_;
  Migration result_ = {.config = {{"model", Json::object()},
                                  {"adapter", Json::object()},
                                  {"data", Json::object()},
                                  {"training", Json::object()}}};
  std::vector<std::string> refused_;
};

// Translations that several tools share.

/// "1e-4" in quotes is a number to their parsers.
Json as_number(const ForeignKey& key, MigrationWork& work);
/// A name of an optimizer that is AdamW or SGD; another is left out.
Json as_optimizer(const ForeignKey& key, MigrationWork& work);
/// constant, linear or cosine; another is left out.
Json as_schedule(const ForeignKey& key, MigrationWork& work);
/// A number of warm-up steps; below 1 it is a share, and becomes training.warmup_ratio.
Json as_warmup_steps(const ForeignKey& key, MigrationWork& work);
/// A list of names in one text ("q_proj,v_proj"), or a list; "all" and "all-linear" stay one word.
Json as_targets(const ForeignKey& key, MigrationWork& work);
/// A true bf16 or fp16.
Json as_bfloat16(const ForeignKey& key, MigrationWork& work);
Json as_float16(const ForeignKey& key, MigrationWork& work);
/// Data files; a name that is no file is kept and reported.
Json as_data(const ForeignKey& key, MigrationWork& work);
/// Steps between lines of the log; a share of the run is left out.
Json as_logging_steps(const ForeignKey& key, MigrationWork& work);
/// Steps between two evaluations or checkpoints; a share of the run is left out.
Json as_steps_between(const ForeignKey& key, MigrationWork& work);
/// A share of the rows to hold out; a number of rows is left out.
Json as_held_out(const ForeignKey& key, MigrationWork& work);
/// true becomes "bfd".
Json as_packing(const ForeignKey& key, MigrationWork& work);
/// none, or the names of ours among those given.
Json as_reports(const ForeignKey& key, MigrationWork& work);
/// [beta1, beta2].
Json as_betas(const ForeignKey& key, MigrationWork& work);
/// Whatever the value, it must be one of the neutral ones, or the migration is refused.
Json refuse_value(const ForeignKey& key, MigrationWork& work);
/// eval_strategy, save_strategy and what belongs to them, of transformers.
void finish_strategies(MigrationWork& work);

/// Reports that the tool takes the model's positions where `key`, the length of a row, is not
/// given.
void note_missing_length(MigrationWork& work, const std::string& key);
/// part / whole, to twelve decimal places.
double share_of(double part, double whole);
/// A value as a number, or `absent`.
double number_or(const Json& value, double absent);
/// The keys of a data file's first row, or none where it cannot be read.
std::vector<std::string> first_row_keys(const std::string& file);

}  // namespace peft
