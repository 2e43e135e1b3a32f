#include "peft/io/pickle_child.h"

#include <unistd.h>

#include <cstring>
#include <new>

#include "peft/util/child_process.h"
#include "peft/util/containment.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kLargestTable = size_t{64} << 20;
constexpr size_t kLongestFault = 8192;
constexpr ContainmentLimits kLimits{.memory_bytes = uint64_t{1} << 30, .cpu_seconds = 60};

/// Throws the fault that a child found: one line about the file.
void throw_fault(const ChildResult& result, const std::string& where) {
  const std::string& text = result.output;
  const std::string start = where + ": ";
  const bool one_line = text.size() <= kLongestFault && text.starts_with(start) &&
                        escaped(text.substr(start.size())) == text.substr(start.size());
  if (one_line && result.code == static_cast<int>(ExitCode::kModel)) {
    throw ModelError(text);
  }
  if (one_line && result.code == static_cast<int>(ExitCode::kIo)) {
    throw IoError(text);
  }
}

/// Says how a child ended that answered nothing of use.
[[noreturn]] void fail_without_answer(const ChildResult& result, const PickleChild& child,
                                      const std::string& where) {
  switch (result.end) {
    case ChildResult::End::kSignalled:
      fail<ModelError>("{}: the process that reads its pickle was ended by signal {} ({})", where,
                       result.code, ::strsignal(result.code));
    case ChildResult::End::kTookTooLong:
      fail<ModelError>("{}: the process that reads its pickle was stopped after {} seconds", where,
                       std::chrono::duration<double>(child.patience).count());
    case ChildResult::End::kSaidTooMuch:
      fail<ModelError>("{}: its table of tensors has more than {} bytes", where, kLargestTable);
    case ChildResult::End::kExited:
      break;
  }
  fail<ModelError>("{}: the process that reads its pickle ended with code {} and without an answer",
                   where, result.code);
}

/// What the child has to say, and its exit code.
std::pair<std::string, ExitCode> answer_about(const std::string& path) {
  try {
    const InputFile file(STDIN_FILENO, path);
    contain_this_process(kLimits);
    return {torch_table_text(read_torch_table(file)), ExitCode::kDone};
  } catch (const Error& error) {
    return {error.what(), error.code()};
  } catch (const std::bad_alloc&) {
    return {fmt::format("{}: reading its pickle takes more than {} of memory", path,
                        human_bytes(static_cast<int64_t>(kLimits.memory_bytes))),
            ExitCode::kModel};
  }
}

}  // namespace

void contain_pickles() {
  set_torch_table_reader([](const InputFile& file) { return read_torch_table_in({}, file); });
}

TorchTable read_torch_table_in(const PickleChild& child, const InputFile& file) {
  const std::string where = file.path().string();
  std::vector<std::string> command = child.command;
  command.push_back(where);
  const ChildResult result = run_child(command, file.descriptor(),
                                       {.time = child.patience, .output_bytes = kLargestTable});
  if (result.end != ChildResult::End::kExited) {
    fail_without_answer(result, child, where);
  }
  if (result.code != 0) {
    throw_fault(result, where);
    fail_without_answer(result, child, where);
  }
  return parse_torch_table(result.output, file);
}

void run_pickle_child(const std::string& path) {
  const auto [text, code] = answer_about(path);
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data() + written, text.size() - written);
    if (count <= 0) {
      ::_exit(static_cast<int>(ExitCode::kBug));
    }
    written += static_cast<size_t>(count);
  }
  ::_exit(static_cast<int>(code));  // nothing is left to tidy up, and little would be allowed to
}

}  // namespace peft
