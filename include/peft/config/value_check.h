#pragma once

#include <string>

#include "peft/config/keys.h"

namespace peft {

/// Whose rules a value is held to: a run file's, or those of an adapter that PEFT may have saved.
enum class ValueOrigin { kRunFile, kSavedAdapter };

/// A value in its canonical spelling (null: not given), or what is wrong with it.
struct CheckedValue {
  Json value;
  std::string fault;  ///< "expected ..., found ..."; empty if all is well
};

/// Translates synonyms (those of `alias` first), then checks type, choices and range.
CheckedValue checked_value(const Key& key, const Alias* alias, const Json& value,
                           ValueOrigin origin = ValueOrigin::kRunFile);

}  // namespace peft
