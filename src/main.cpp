#include "peft/cli/command_line.h"

int main(int argc, char** argv) {
  return peft::run_command_line(argc, argv);
}
