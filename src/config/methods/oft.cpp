#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

std::vector<Key> oft_keys() {
  return {
      {.name = "oft_block_size",
       .types = {kInt},
       .fallback = 32,
       .least = 0,
       .most = 65536,
       .summary = "size of a rotated block, made smaller where it does not divide the inputs; 0: "
                  "given by r",
       .fixed_by_adapter = true},
      {.name = "r",
       .types = {kInt},
       .fallback = 0,
       .least = 0,
       .most = 65536,
       .summary = "number of blocks instead of their size; 0: given by oft_block_size",
       .fixed_by_adapter = true},
      {.name = "use_cayley_neumann",
       .types = {kBool},
       .fallback = true,
       .summary = "rotations by a series instead of an inverse, in the opposite direction",
       .fixed_by_adapter = true},
      {.name = "num_cayley_neumann_terms",
       .types = {kInt},
       .fallback = 5,
       .least = 2,
       .most = 1000,
       .summary = "terms of the series",
       .fixed_by_adapter = true},
      {.name = "block_share",
       .types = {kBool},
       .fallback = false,
       .summary = "one rotation for all blocks of a layer",
       .fixed_by_adapter = true},
      unavailable_field("module_dropout", 0.0, "dropping whole rotations is not available"),
      unavailable_field("coft", false, "constrained OFT is not available in this version"),
      unavailable_field("bias", "none", "use LORA or BITFIT to train biases"),
      unavailable_field("init_weights", true, "other starts are not available in this version"),
      ignored_field("eps", 6e-5),
      ignored_field("fan_in_fan_out", false),
  };
}

/// The divisor of `in` nearest to `asked`.
int64_t nearest_divisor(int64_t in, int64_t asked) {
  int64_t higher = std::min(asked, in);
  int64_t lower = higher;
  while (in % higher != 0) {
    ++higher;
  }
  while (in % lower != 0) {
    --lower;
  }
  return asked - lower <= higher - asked ? lower : higher;
}

/// A skew matrix per block of the inputs.
int64_t oft_parameters(const Json& adapter, const PlannedLinear& linear) {
  const int64_t size = adapter.at("oft_block_size").get<int64_t>();
  const int64_t blocks_asked = std::max<int64_t>(1, adapter.at("r").get<int64_t>());
  const int64_t block = size > 0 ? nearest_divisor(linear.in, size)
                                 : linear.in / nearest_divisor(linear.in, blocks_asked);
  const int64_t blocks = adapter.at("block_share") == true ? 1 : linear.in / block;
  return blocks * block * (block - 1) / 2;
}

/// What is turned.
TargetUse kept_by_oft(const Json& /*adapter*/, const PlannedLinear& /*target*/) {
  return {.repeats = false};
}

}  // namespace

Method oft_method() {
  return {.name = "oft",
          .peft_type = "OFT",
          .kind = "reparameterisation",
          .summary = "the inputs of each chosen linear layer are rotated, block by block",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 3e-4,
          .keys = joined({oft_keys(), targeting_keys(), modules_to_save_keys()}),
          .parameters_beside = oft_parameters,
          .parameters_elsewhere = saved_module_parameters,
          .kept_by_target = kept_by_oft};
}

}  // namespace peft
