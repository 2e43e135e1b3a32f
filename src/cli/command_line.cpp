#include "peft/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

#include "peft/cli/command.h"
#include "peft/config/names.h"
#include "peft/plan/machine_memory.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

int refuse(ExitCode code, const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "peft: error: %s\n", text.c_str());
  return static_cast<int>(code);
}

void setup_commands(CLI::App& app, Action& action) {
  app.set_version_flag("--version", "peft " PEFT_VERSION);
  app.set_help_flag("-h,--help", "print this help and exit");
  app.option_defaults()->take_last();
  for (const auto setup : {setup_train, setup_plan, setup_eval, setup_merge, setup_generate,
                           setup_logits, setup_tokenize, setup_data, setup_methods, setup_config,
                           setup_adapters, setup_checkpoint, setup_import}) {
    setup(app, action);
  }
}

/// The command called `name` directly below `parent`, or null.
CLI::App* inner_command(CLI::App& parent, std::string_view name) {
  for (CLI::App* const inner : parent.get_subcommands([](CLI::App*) { return true; })) {
    if (inner->get_name() == name) {
      return inner;
    }
  }
  return nullptr;
}

/// The innermost command that the words name, and how many of them name it.
std::pair<CLI::App*, int> command_of(CLI::App& app, int argc, const char* const* argv) {
  CLI::App* command = &app;
  int words = 1;
  while (words < argc) {
    CLI::App* const inner = inner_command(*command, argv[words]);
    if (inner == nullptr) {
      break;
    }
    command = inner;
    ++words;
  }
  return {command, words};
}

/// A group of commands without one that exists.
void check_command(CLI::App& app, int argc, const char* const* argv) {
  const auto [command, words] = command_of(app, argc, argv);
  std::vector<std::string> names;
  for (const CLI::App* inner : command->get_subcommands([](CLI::App*) { return true; })) {
    names.push_back(inner->get_name());
  }
  if (names.empty() || (words < argc && argv[words][0] == '-')) {
    return;
  }
  const std::string place = command == &app ? "" : command->get_name() + ": ";
  check<UsageError>(words < argc, "{}expected a command: {}", place, join(names, ", "));
  fail<UsageError>("{}unknown command \"{}\"{}", place, escaped(argv[words]),
                   did_you_mean(argv[words], names));
}

/// What to say about a flag that the command does not have.
std::string flag_hint(const CLI::App& command, const std::string& flag) {
  const std::string name = flag.substr(2, flag.find('=') - 2);
  if (const auto key = find_key(std::nullopt, name); key && command.get_name() == "train") {
    return fmt::format("; write {}=VALUE", key->path());
  }
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& known : option->get_lnames()) {
      names.push_back("--" + known);
    }
  }
  return did_you_mean(flag.substr(0, flag.find('=')), names);
}

/// CLI11's complaint as one line of ours.
std::string complaint(CLI::App& app, const CLI::ParseError& error, int argc,
                      const char* const* argv) {
  const auto [command, words] = command_of(app, argc, argv);
  const bool extra = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  for (int i = words; i < argc && extra; ++i) {
    const std::string flag = argv[i];
    const std::string name = flag.substr(0, flag.find('='));
    if (flag.starts_with("--") && command->get_option_no_throw(name) == nullptr) {
      return fmt::format("unknown flag {}{}", escaped(name), flag_hint(*command, flag));
    }
  }
  std::string text = error.what();
  return escaped(text.substr(0, text.find('\n')));
}

void note_repeated_flags(CLI::App& app, int argc, const char* const* argv) {
  for (const CLI::Option* option : command_of(app, argc, argv).first->get_options()) {
    if (option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeLast &&
        option->get_items_expected_max() > 0 && option->count() > 1) {
      log_info("{} was given {} times; the last counts", option->get_name(), option->count());
    }
  }
}

int run(int argc, const char* const* argv) {
  CLI::App app("peft: fine-tunes language models with adapters", "peft");
  Action action;
  setup_commands(app, action);
  check_command(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    return refuse(ExitCode::kUsage, complaint(app, error, argc, argv));
  }
  note_repeated_flags(app, argc, argv);
  check<UsageError>(static_cast<bool>(action), "expected a command; see peft --help");
  return action();
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  // A closed pipe and a full quota are then errors of write(), which says what happened.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int code = run(argc, argv);
    if (std::fflush(stdout) != 0) {
      return refuse(ExitCode::kIo, fmt::format("standard output: {}", std::strerror(errno)));
    }
    return code;
  } catch (const Error& error) {
    return refuse(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return refuse(ExitCode::kMemory,
                  fmt::format("out of memory: {} are available", human_bytes(available_memory())));
  } catch (const std::exception& error) {
    return refuse(ExitCode::kBug, error.what());
  }
}

}  // namespace peft
