#include "peft/cli/command_line.h"
#include "peft/util/lost_memory.h"

int main(int argc, char** argv) {
  peft::end_in_one_line_when_memory_is_lost();
  return peft::run_command_line(argc, argv);
}
