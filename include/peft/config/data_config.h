#pragma once

#include <string>
#include <vector>

#include "peft/config/run_task.h"
#include "peft/data/dataset.h"
#include "peft/util/json.h"

namespace peft {

/// Options of a resolved `data` section (ResolvedConfig::values["data"]).
DataOptions data_options(const Json& data, const RunTask& task);

/// Keeps tokenised rows where `choice` says, a value of data.cache.
void set_cache(DataOptions& options, const std::string& choice);

/// Files of `data.train` or, `held_out`, of `data.eval`, in any of its forms; none for null.
std::vector<DataSource> data_sources(const Json& value, bool held_out = false);

}  // namespace peft
