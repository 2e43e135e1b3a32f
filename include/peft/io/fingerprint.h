#pragma once

#include <string>

#include "peft/io/hf_directory.h"

namespace peft {

/// What tells one checkpoint from another without reading all of it: SHA-256 over every tensor's
/// name, type and shape and the first and last 4 KiB of its bytes, 64 hexadecimal digits.
std::string fingerprint(const HfDirectory& directory);

}  // namespace peft
