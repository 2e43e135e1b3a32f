#pragma once

#include <string>
#include <vector>

#include "peft/data/near_duplicates.h"
#include "peft/data/overlap.h"
#include "peft/data/personal_data.h"

namespace peft {

/// One thing about a data set that somebody should look at.
struct Finding {
  std::string kind;  ///< a word for scripts: "duplicates", "overlap", "e_mail", ...
  int64_t count = 0;
  std::string text;  ///< one line: what, how many, where; never a value of the rows
};

/// Everything that a data check looked at.
struct CheckedData {
  const DataReport& report;
  std::vector<Example> const& examples;
  std::vector<std::filesystem::path> const& files;
  std::vector<NearDuplicate> near_duplicates = {};
  std::vector<PersonalDataCount> personal = {};
};

/// What was found, the gravest first; none for a data set without fault.
std::vector<Finding> findings(const CheckedData& data);

/// The findings of held-out rows that are trained on.
std::vector<Finding> findings(const Overlap& overlap, std::span<const Example> held_out);

/// Every kind of finding there is.
const std::vector<std::string>& finding_kinds();

}  // namespace peft
