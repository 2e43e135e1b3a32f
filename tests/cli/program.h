#pragma once

#include <string>
#include <vector>

namespace peft {

/// What a run of the built program left behind.
struct Outcome {
  int code = -1;  ///< exit code; 128 + n after signal n
  std::string out;
  std::string err;
};

/// Runs build/peft with a shell's quoting: `peft("config schema")`.
Outcome peft(const std::string& arguments);

/// The same with another folder's copy of the program.
Outcome run_program(const std::string& program, const std::string& arguments);

}  // namespace peft
