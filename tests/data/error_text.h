#pragma once

#include <gtest/gtest.h>

#include <string>

namespace peft {

/// The message of the E that `action` throws, or a note that it threw none.
template <class E, class Action>
std::string error_text(const Action& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace peft
