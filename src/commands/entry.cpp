// The one door between the front end and the engine.
#include <c10/util/Exception.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <new>
#include <string>
#include <string_view>

#include "peft/commands/commands.h"
#include "peft/io/pickle_child.h"
#include "peft/plan/machine_memory.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace {

using peft::ExitCode;

int refuse(ExitCode code, const std::string& text) {
  std::fprintf(stderr, "peft: error: %s\n", text.c_str());
  return static_cast<int>(code);
}

/// What oneDNN says when its code or its scratch finds no memory.
constexpr std::string_view kNoPrimitive = "could not create a primitive";

int refuse_for_memory() {
  return refuse(
      ExitCode::kMemory,
      fmt::format("out of memory: {} are available; `peft plan` says what makes a run fit",
                  peft::human_bytes(peft::available_memory())));
}

/// LibTorch reports host memory as a plain c10::Error.
ExitCode code_of(const c10::Error& error, const std::string& text) {
  const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                      text.find("can't allocate memory") != std::string::npos;
  return memory ? ExitCode::kMemory : ExitCode::kBug;
}

}  // namespace

/// Runs one command; `request` is its JSON. Prints results on stdout, everything else on stderr,
/// and returns the exit code. No exception leaves.
extern "C" __attribute__((visibility("default"))) int peft_run(const char* command,
                                                               const char* request) {
  static const std::map<std::string, void (*)(const peft::Json&)> table = {
      {"train", peft::run_train},
      {"eval", peft::run_eval},
      {"merge", peft::run_merge},
      {"generate", peft::run_generate},
      {"logits", peft::run_logits},
      {"adapters convert", peft::run_convert_adapter},
      {"adapters merge", peft::run_merge_adapters},
  };
  peft::listen_for_stop_signals();
  try {
    const auto found = table.find(command);
    if (found == table.end()) {
      return refuse(ExitCode::kBug, std::string("the engine has no command ") + command);
    }
    const peft::Json parsed = peft::Json::parse(request);
    if (parsed.value("contain_pickles", false)) {
      peft::contain_pickles();
    }
    found->second(parsed);
    std::fflush(stdout);
    return static_cast<int>(ExitCode::kDone);
  } catch (const peft::Error& error) {
    return refuse(error.code(), error.what());
  } catch (const c10::Error& error) {
    std::string text = error.what_without_backtrace();
    text = text.substr(0, text.find('\n'));
    return refuse(code_of(error, text), text);
  } catch (const std::bad_alloc&) {
    return refuse_for_memory();
  } catch (const std::filesystem::filesystem_error& error) {
    return error.code() == std::errc::not_enough_memory ? refuse_for_memory()
                                                        : refuse(ExitCode::kIo, error.what());
  } catch (const std::exception& error) {
    return error.what() == kNoPrimitive ? refuse_for_memory()
                                        : refuse(ExitCode::kBug, error.what());
  }
}
