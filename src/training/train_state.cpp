#include "peft/training/train_state.h"

namespace peft {

Json train_state_json(const TrainState& state) {
  return {{"step", state.step},
          {"tokens", state.tokens},
          {"scored_tokens", state.scored_tokens},
          {"updates", state.updates},
          {"skipped_steps", state.skipped_steps},
          {"skipped_in_a_row", state.skipped_in_a_row},
          {"parts", state.parts},
          {"seconds", state.seconds},
          {"left_out", state.left_out},
          {"selection", selection_json(state.selection)},
          {"spike_guard", state.spikes.to_json()},
          {"log_bytes", state.log_bytes}};
}

TrainState read_train_state(const Json& json, const std::string& where) {
  TrainState state;
  JsonReader<IntegrityError> reader(json, where);
  std::vector<int64_t> left_out;
  Json selection;
  Json spikes;
  Json logs;
  reader.require("step", state.step);
  reader.require("tokens", state.tokens);
  reader.require("scored_tokens", state.scored_tokens);
  reader.require("updates", state.updates);
  reader.require("skipped_steps", state.skipped_steps);
  reader.require("skipped_in_a_row", state.skipped_in_a_row);
  reader.require("parts", state.parts);
  reader.require("seconds", state.seconds);
  reader.require("left_out", left_out);
  reader.require("selection", selection);
  reader.require("spike_guard", spikes);
  reader.require("log_bytes", logs);
  reader.finish();
  check<IntegrityError>(state.step >= 0 && state.parts >= 1,
                        "{}: step {} and parts {} are out of range", where, state.step,
                        state.parts);
  state.left_out.insert(left_out.begin(), left_out.end());
  state.selection = read_selection(selection, where);
  state.spikes = SpikeGuard::from_json(spikes, where);
  check<IntegrityError>(logs.is_object(), "{}: log_bytes: expected an object", where);
  JsonReader<IntegrityError> lengths(logs, where + ": log_bytes");
  for (const auto& [name, bytes] : logs.items()) {
    lengths.require(name, state.log_bytes[name]);
  }
  return state;
}

}  // namespace peft
