#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace peft {

/// Figures of one optimizer step, as train_log.jsonl has them.
struct StepRecord {
  int64_t step = 0;  ///< from 1
  double epoch = 0.0;
  double loss = 0.0;
  double penalty = 0.0;
  bool has_penalty = false;
  double learning_rate = 0.0;
  double grad_norm = 0.0;
  int64_t tokens = 0;         ///< so far
  int64_t scored_tokens = 0;  ///< of this step
  double tokens_per_second = 0.0;
  int64_t peak_memory_bytes = 0;
  uint64_t rows_hash = 0;  ///< of the rows and their order
};

/// What a person sees of the run: a bar that rewrites its line on a terminal, one plain line every
/// `logging_steps` steps elsewhere.
class Progress {
 public:
  Progress(int64_t total_steps, int64_t logging_steps, bool bar);
  ~Progress();

  void step(const StepRecord& record);
  /// A whole line, above the bar.
  void line(const std::string& text);

 private:
  std::string figures(const StepRecord& record) const;
  void clear();

  int64_t total_steps_;
  int64_t logging_steps_;
  bool bar_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace peft
