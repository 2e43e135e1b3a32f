#include "peft/util/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "peft/util/error.h"

namespace peft {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT};

// What a handler may touch: a lock-free atomic. Nothing in this program sleeps, so no pipe is
// needed to wake it.
std::atomic<int> first_signal{0};
std::atomic<int> interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// The first signal counts: a storm makes one save. Only a second Ctrl-C ends the process.
void note_signal(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  if (signal == SIGINT && interrupts.fetch_add(1) > 0) {
    ::_exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kSignals) {
    ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

void hold_stop_signals() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void listen_for_stop_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  for (const int signal : kSignals) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    // nohup ignores the hang-up on the program's behalf.
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) {
      ::sigaction(signal, &action, nullptr);
    }
  }
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

StopRequest stop_request() {
  const int signal = first_signal.load(std::memory_order_relaxed);
  if (signal == 0) {
    return StopRequest::kNone;
  }
  return signal == SIGINT ? StopRequest::kInterrupt : StopRequest::kStop;
}

const char* stop_signal_name() {
  switch (first_signal.load()) {
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    case SIGUSR1:
      return "SIGUSR1";
    case SIGUSR2:
      return "SIGUSR2";
    case SIGINT:
      return "SIGINT";
    default:
      return "no signal";
  }
}

void check_not_stopped() {
  const StopRequest request = stop_request();
  check<Stopped>(request != StopRequest::kStop, "stopped by {}; run the same command again",
                 stop_signal_name());
  check<Interrupted>(request != StopRequest::kInterrupt, "interrupted");
}

void forget_stop_request() {
  first_signal.store(0);
  interrupts.store(0);
}

}  // namespace peft
