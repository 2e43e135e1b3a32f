#pragma once

#include <filesystem>

#include "peft/methods/adapter.h"

namespace peft {

/// Writes tensors of any dtype and device as one safetensors file, durably.
void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

/// Reads all tensors of a file, by name, in host memory. Throws ModelError.
NamedTensors read_named_tensors(const std::filesystem::path& file);

/// Copies values into tensors of the same names, shapes and dtypes. All mismatches are reported
/// together, under `where`. Throws ModelError, and nothing is copied then.
void copy_tensors(const NamedTensors& from, const NamedTensors& to, const std::string& where);

}  // namespace peft
