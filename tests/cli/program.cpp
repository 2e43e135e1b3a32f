#include "cli/program.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace peft {
namespace {

std::string take(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  std::filesystem::remove(file);
  return text.str();
}

}  // namespace

Outcome run_program(const std::string& program, const std::string& arguments) {
  const std::string err =
      std::filesystem::temp_directory_path() / ("peft_stderr_" + std::to_string(::getpid()));
  FILE* const pipe =
      ::popen((program + " " + arguments + " 2>" + err + " </dev/null").c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> block{};
  for (size_t count = 0; (count = std::fread(block.data(), 1, block.size(), pipe)) > 0;) {
    outcome.out.append(block.data(), count);
  }
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.err = take(err);
  return outcome;
}

Outcome peft(const std::string& arguments) {
  return run_program(std::string(PEFT_BINARY_DIR) + "/peft", arguments);
}

}  // namespace peft
