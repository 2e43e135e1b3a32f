#pragma once

#include <vector>

#include "peft/config/keys.h"

namespace peft {

// The tables of a run file's sections, each in a file of its own; the adapter's are the methods'.
const std::vector<Key>& model_keys();
const std::vector<Key>& data_keys();
const std::vector<Key>& training_keys();

}  // namespace peft
