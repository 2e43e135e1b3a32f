#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peft/io/hf_directory.h"
#include "peft/methods/lora_file.h"

namespace peft {

/// What a conversion left of one module's update.
struct ModuleFit {
  std::string path;
  int64_t rank = 0;
  double relative_error = 0.0;  ///< |LoRA - update| / |update| by Frobenius' norm
};

/// An adapter as a plain LoRA.
struct LoraConversion {
  LoraFile lora;
  std::vector<ModuleFit> fits;  ///< of the modules whose update was brought to a rank; none: exact
};

/// Throws UsageError, with the reason, for a method that changes no weight matrix.
void check_convertible(const StoredAdapter& stored);

/// Whether the conversion depends on the base: on its weights (DoRA, starts taken from the base,
/// and every method that has another form) or on its sizes alone (VeRA).
bool needs_base(const StoredAdapter& stored);

/// The adapter as a plain LoRA (alpha / r, no DoRA). LoRA with rsLoRA, AdaLoRA and VeRA have the
/// form already and keep their numbers; PiSSA's and OLoRA's become those of twice the rank. The
/// others' change of each matrix is cut to its largest singular values, `rank` of them (0: the
/// adapter's own r, or 16). A rank given also cuts what has the form already. `base`: where
/// `needs_base` says so. What LoRA's format has beside A and B (biases, whole modules, token rows)
/// is carried over.
LoraConversion to_lora(const StoredAdapter& stored, const HfDirectory* base, int64_t rank);

}  // namespace peft
