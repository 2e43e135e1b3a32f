#pragma once

namespace peft {

/// The whole program: parses, runs one command, prints one line for an error, and returns the exit
/// code.
int run_command_line(int argc, const char* const* argv);

}  // namespace peft
