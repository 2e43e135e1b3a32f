#pragma once

namespace peft {

/// What signals have asked for since `listen_for_stop_signals`.
enum class StopRequest {
  kNone,
  kStop,      ///< TERM, HUP, USR1 or USR2, as batch systems send before they kill: exit code 75
  kInterrupt  ///< INT, once: exit code 130. A second one ends the process at once
};

/// Keeps the signals waiting while the engine is loaded; threads made meanwhile never get them.
void hold_stop_signals();

/// From now on a signal is a request that the program polls; it does nothing else. SIGPIPE and
/// SIGXFSZ are ignored, so that they arrive as errors of write(). Signals that were held arrive
/// now.
void listen_for_stop_signals();

StopRequest stop_request();

/// "SIGTERM": the signal that made the request.
const char* stop_signal_name();

/// Throws Stopped or Interrupted when there is a request. Every loop that may take longer than a
/// breath calls this: loading, tokenising, micro-steps, evaluation, merging.
void check_not_stopped();

/// Forgets a request; for tests.
void forget_stop_request();

}  // namespace peft
