#pragma once

#include "peft/util/json.h"

namespace peft {

// The engine's half of each command: reads its request (cli/requests.h), prints its result, and
// throws Error. A command is one source file and one line in entry.cpp's table.

void run_train(const Json& request);
void run_eval(const Json& request);
void run_merge(const Json& request);
void run_generate(const Json& request);
void run_logits(const Json& request);
void run_convert_adapter(const Json& request);
void run_merge_adapters(const Json& request);

}  // namespace peft
