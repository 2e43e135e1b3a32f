#pragma once

#include <string>

#include "peft/methods/adapter_io.h"

namespace peft {

/// What each update of an adapter counts, as one number when it is the same everywhere, else by
/// module; null for methods without a scale. This is what a run's report records.
Json scales_json(const std::map<std::string, double>& scales);

/// Compares what the live modules apply with what `config` means by PEFT's rule: alpha / R, or
/// alpha / sqrt(R) with use_rslora, with the first pattern that matches. R is the rows of A in
/// `tensors`, whose names are those of `trainable()` or of a file. Throws ModelError that names the
/// modules.
void check_scales(const Adapter& adapter, const Json& config, const NamedTensors& tensors,
                  const std::string& where);

/// Compares what a stored config means with the number in the report of the run that wrote it, if
/// that lies beside it. Throws ModelError.
void check_recorded_scale(const StoredAdapter& stored);

}  // namespace peft
