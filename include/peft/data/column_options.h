#pragma once

#include <map>
#include <string>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// Our names of columns, which are the keys of `data.columns`, in the order a person reads them.
const std::vector<std::string>& column_names();

/// Checks `data.format` and `data.columns`. Throws UsageError.
void check_column_options(const DataOptions& options);

/// The words that files use for a role, and which of ours each means: those of the field's tools
/// and those of `data.columns.roles`. Throws UsageError for a role that we do not have.
std::map<std::string, std::string> role_words(const DataOptions& options);

}  // namespace peft
