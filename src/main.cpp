#include <string_view>

#include "peft/cli/command_line.h"
#include "peft/io/pickle_child.h"
#include "peft/util/lost_memory.h"

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == peft::kPickleChildWord) {
    peft::run_pickle_child(argv[2]);
  }
  peft::contain_pickles();
  peft::end_in_one_line_when_memory_is_lost();
  return peft::run_command_line(argc, argv);
}
