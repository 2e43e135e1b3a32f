#pragma once

#include <string>
#include <vector>

#include "peft/cli/model_text.h"
#include "peft/config/run_config.h"
#include "peft/config/run_task.h"
#include "peft/data/dataset.h"

namespace CLI {
class App;
}

namespace peft {

/// Flags of every command below `data`.
struct DataFlags {
  std::string config;
  std::vector<std::string> sets;
  std::string model;
  std::vector<std::string> data, eval;
  std::string format, train_on, chat_template, skip_bad;
  int64_t max_length = 0;
  int64_t limit = 0;
  bool json = false;
};

/// Adds them all.
void add_data_flags(CLI::App& command, DataFlags& flags);

/// What the flags name, ready to be read.
struct DataCommand {
  ResolvedConfig config;
  ModelText model;
  RunTask task;
  DataOptions options;  ///< that refuse nothing; max_length as training would have it
  std::vector<DataSource> train, eval;
};

/// The run file, or one made of the flags: both are then read by the same rules. Throws UsageError,
/// ModelError.
DataCommand data_command(const DataFlags& flags);

/// Reads its training rows. Labels that no head can be made for are among the report's refusals;
/// held-out rows are then read by the same labels.
Dataset training_rows(DataCommand& command);

}  // namespace peft
