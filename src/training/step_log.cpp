#include "peft/training/step_log.h"

namespace peft {

Json exact_step_json(const StepRecord& record) {
  return {{"step", record.step},
          {"loss", fmt::format("{:a}", record.loss)},
          {"learning_rate", record.learning_rate},
          {"rows", fmt::format("{:016x}", record.rows_hash)}};
}

}  // namespace peft
