#include "peft/plan/batch_settings.h"

#include <algorithm>
#include <optional>

namespace peft {
namespace {

constexpr int64_t kBatchTokens = 4096;  // an automatic micro-batch holds at most so many
constexpr int64_t kBatchRows = 8;       // and so many rows
constexpr int64_t kRowsPerStep = 16;    // an automatic accumulation reaches at least so many rows

/// A value that may still be "auto" or null.
std::optional<int64_t> settled(const Json& training, const char* key) {
  const auto found = training.find(key);
  if (found == training.end() || !found->is_number_integer()) {
    return std::nullopt;
  }
  return found->get<int64_t>();
}

void settle(Json& training, Json& origin, const char* key, int64_t value, std::string reason) {
  training[key] = value;
  origin[std::string("training.") + key] = "auto: " + std::move(reason);
}

int64_t automatic_batch(Json& training, Json& origin, int64_t longest, int64_t examples,
                        const std::function<bool(int64_t)>& fits) {
  const int64_t wanted = std::clamp(kBatchTokens / std::max<int64_t>(longest, 1), int64_t{1},
                                    std::min<int64_t>(kBatchRows, std::max<int64_t>(examples, 1)));
  int64_t batch = wanted;
  while (fits && batch > 1 && !fits(batch)) {
    batch /= 2;
  }
  settle(training, origin, "per_device_train_batch_size", batch,
         batch < wanted
             ? "what fits into memory"
             : fmt::format("rows of up to {} tokens, at most {} tokens", longest, kBatchTokens));
  return batch;
}

}  // namespace

BatchSettings settle_batch(Json& training, Json& origin, int64_t longest, int64_t examples,
                           const std::function<bool(int64_t batch_size)>& fits) {
  BatchSettings result;
  const auto batch = settled(training, "per_device_train_batch_size");
  result.batch_size = batch ? *batch : automatic_batch(training, origin, longest, examples, fits);
  const auto accumulation = settled(training, "gradient_accumulation_steps");
  const auto global = settled(training, "global_batch_size");
  check<UsageError>(!global || *global % result.batch_size == 0,
                    "training.global_batch_size: {} is no multiple of "
                    "per_device_train_batch_size {}",
                    global.value_or(0), result.batch_size);
  result.accumulation =
      accumulation.value_or(global ? *global / result.batch_size
                                   : (kRowsPerStep + result.batch_size - 1) / result.batch_size);
  if (!accumulation) {
    settle(training, origin, "gradient_accumulation_steps", result.accumulation,
           global ? fmt::format("global_batch_size {}", *global)
                  : fmt::format("at least {} rows a step", kRowsPerStep));
  }
  return result;
}

}  // namespace peft
