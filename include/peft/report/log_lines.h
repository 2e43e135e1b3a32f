#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peft/report/event_file.h"
#include "peft/util/json.h"

namespace peft {

// Lines of train_log.jsonl in the shapes of other programs. A line is a step's ("loss") or an
// evaluation's ("eval_loss"); numbers that are not finite are the strings "NaN", "Infinity" and
// "-Infinity". "figures" holds what a method adds: {name: number}.

/// The number of a line's member; nothing when it is absent or null.
std::optional<double> log_number(const Json& value);

/// Tags and values for TensorBoard, in the tags that other trainers write: train/loss, eval/loss.
EventFile::Scalars event_scalars(const Json& line);

/// Columns of train_log.csv: those of every run and the figures of `first`, the first line.
std::vector<std::string> csv_columns(const Json& first);

/// "step,epoch,..." and a line under these columns; both end with a line break. What a line does
/// not have stays empty.
std::string csv_header(const std::vector<std::string>& columns);
std::string csv_line(const Json& line, const std::vector<std::string>& columns);

}  // namespace peft
