#include "peft/util/signals.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "peft/util/error.h"

namespace peft {
namespace {

class Signals : public testing::Test {
 protected:
  void SetUp() override {
    listen_for_stop_signals();
    forget_stop_request();
  }
  void TearDown() override { forget_stop_request(); }
};

TEST_F(Signals, AskForAStop) {
  EXPECT_NO_THROW(check_not_stopped());
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2}) {
    forget_stop_request();
    ::raise(signal);
    EXPECT_EQ(stop_request(), StopRequest::kStop);
    EXPECT_THROW(check_not_stopped(), Stopped);
  }
  EXPECT_STREQ(stop_signal_name(), "SIGUSR2");
}

TEST_F(Signals, CountOnceHoweverManyCome) {
  for (int i = 0; i < 1000; ++i) {
    ::raise(SIGTERM);
  }
  EXPECT_EQ(stop_request(), StopRequest::kStop);
}

TEST_F(Signals, AnInterruptIsARequestTheFirstTime) {
  ::raise(SIGINT);
  EXPECT_THROW(check_not_stopped(), Interrupted);
}

TEST_F(Signals, ASecondInterruptEndsTheProcess) {
  EXPECT_EXIT((::raise(SIGINT), ::raise(SIGINT)), testing::ExitedWithCode(130), "");
}

TEST_F(Signals, ABrokenPipeIsNone) {
  ::raise(SIGPIPE);
  ::raise(SIGXFSZ);
  EXPECT_EQ(stop_request(), StopRequest::kNone);
}

TEST_F(Signals, ThatWereHeldArriveWhenTheProgramListens) {
  hold_stop_signals();
  ::raise(SIGTERM);
  EXPECT_EQ(stop_request(), StopRequest::kNone);
  listen_for_stop_signals();
  EXPECT_EQ(stop_request(), StopRequest::kStop);
}

}  // namespace
}  // namespace peft
