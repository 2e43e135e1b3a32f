#include "peft/training/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int kBarWidth = 24;

}  // namespace

Progress::Progress(int64_t total_steps, int64_t logging_steps, bool bar)
    : total_steps_(total_steps), logging_steps_(std::max<int64_t>(1, logging_steps)), bar_(bar) {}

Progress::~Progress() {
  clear();
}

std::string Progress::figures(const StepRecord& record) const {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double left =
      seconds / static_cast<double>(record.step) * static_cast<double>(total_steps_ - record.step);
  return fmt::format(
      "step {}/{}  epoch {:.2f}  loss {:.4f}  lr {:.2e}  grad {:.3f}  {:.0f} tok/s  {}  {} left",
      record.step, total_steps_, record.epoch, record.loss, record.learning_rate, record.grad_norm,
      record.tokens_per_second, human_bytes(record.peak_memory_bytes), human_seconds(left));
}

void Progress::step(const StepRecord& record) {
  if (bar_) {
    const auto filled =
        static_cast<int>(kBarWidth * record.step / std::max<int64_t>(1, total_steps_));
    std::fprintf(stderr, "\r\x1b[K%s%s %s", std::string(filled, '#').c_str(),
                 std::string(kBarWidth - filled, '.').c_str(), figures(record).c_str());
    std::fflush(stderr);
    drawn_ = true;
  } else if (record.step == 1 || record.step % logging_steps_ == 0 || record.step == total_steps_) {
    write_info(figures(record));
  }
}

void Progress::line(const std::string& text) {
  clear();
  write_info(text);
}

void Progress::clear() {
  if (drawn_) {
    std::fputs("\n", stderr);
    drawn_ = false;
  }
}

}  // namespace peft
