#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/io/checkpoint_folder.h"

namespace peft {
namespace {

struct CheckpointVerifyCommand {
  std::string folder;
  bool json = false;
};

/// One checkpoint, or every one of a run's folder.
std::vector<std::filesystem::path> folders_of(const std::filesystem::path& folder) {
  check<UsageError>(std::filesystem::is_directory(folder), "{}: no such folder", folder.string());
  std::vector<std::filesystem::path> folders;
  if (!std::filesystem::exists(folder / "MANIFEST.json")) {
    for (const CheckpointFolder& found : list_checkpoints(folder)) {
      folders.push_back(found.path);
    }
  }
  return folders.empty() ? std::vector{folder} : folders;
}

int verify(const CheckpointVerifyCommand& options) {
  Json results = Json::array();
  std::string text;
  std::vector<std::string> faults;
  for (const std::filesystem::path& folder : folders_of(options.folder)) {
    Json result = {{"path", folder.string()}};
    try {
      const Manifest manifest = verify_checkpoint(folder);
      result.update({{"valid", true}, {"step", manifest.step}, {"files", manifest.files.size()}});
      text += fmt::format("{}: step {}, {} files as their manifest says\n", folder.string(),
                          manifest.step, manifest.files.size());
    } catch (const IntegrityError& fault) {
      result.update({{"valid", false}, {"fault", fault.what()}});
      faults.emplace_back(fault.what());
    }
    results.push_back(std::move(result));
  }
  if (options.json) {
    print_json({{"checkpoints", results}, {"valid", faults.empty()}});
  } else {
    print_text(text);
  }
  check<IntegrityError>(faults.empty(), "{}", fmt::join(faults, "\n  "));
  return 0;
}

}  // namespace

void setup_checkpoint(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("checkpoint", "look after a run's checkpoints");
  command->require_subcommand(1);
  const auto options = std::make_shared<CheckpointVerifyCommand>();
  CLI::App* check_command = command->add_subcommand(
      "verify", "check a checkpoint, or all of a run, as a resume would: files, sizes, SHA-256");
  check_command->add_option("DIR", options->folder, "checkpoint or run folder")->required();
  check_command->add_flag("--json", options->json, "print JSON on stdout");
  check_command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace peft
