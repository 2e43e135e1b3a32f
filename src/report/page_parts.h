#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

// Sections of the page; each is empty when its facts are missing.

/// Curves of every step and evaluation, and of what the method adds.
std::string curves_section(const Json& log);
/// One line per evaluation.
std::string evaluations_section(const Json& log);
/// The data report, and rows with what is trained marked.
std::string data_section(const Json& data);
/// What was planned by part, and what was measured.
std::string memory_section(const Json& plan, const Json& measured);
/// Warnings of the run, counted.
std::string warnings_section(const Json& warnings);
/// Every key with its value and where that came from.
std::string config_section(const Json& resolved);

/// A member, or null.
const Json& fact(const Json& object, const std::string& name);
/// A value for a person: numbers with commas, texts escaped, null as a dash.
std::string shown(const Json& value);

}  // namespace peft
