#pragma once

namespace peft {

/// From now on a failed allocation that no exception can carry away (in a destructor, for one) ends
/// the process with one line and the exit code of memory; without it that is an abort.
void end_in_one_line_when_memory_is_lost();

}  // namespace peft
