#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "peft/io/torch_table.h"

namespace peft {

/// The word that makes the program the child that reads one pickle, and nothing else:
/// `peft WORD PATH <FILE`. No user types it.
constexpr const char* kPickleChildWord = "--contained-pickle-reader";

/// How the child is started and how long its parent waits.
struct PickleChild {
  std::vector<std::string> command = {"/proc/self/exe", kPickleChildWord};
  std::chrono::milliseconds patience = std::chrono::minutes(2);
};

/// From now on the table of every TorchFile of this process is read by a fresh, contained process
/// of this program: not one byte of a pickle is interpreted here. For the program and its engine,
/// where /proc/self/exe is the program; before the first TorchFile.
void contain_pickles();

/// Lets a child read the table of an open file, and checks what it answers as strictly as a file's
/// header. Faults that the child finds are thrown in its words; a child that dies, takes too long
/// or answers nonsense is a ModelError. Throws IoError when it cannot be started.
TorchTable read_torch_table_in(const PickleChild& child, const InputFile& file);

/// The child's whole life: gives up what it does not need (util/containment.h), reads the table of
/// the file that is its stdin, writes it or the fault to stdout, and exits with 0 or the fault's
/// exit code. `path` is the file's name for messages; the file is not opened by it.
[[noreturn]] void run_pickle_child(const std::string& path);

}  // namespace peft
