#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "peft/data/example.h"

namespace peft {

/// The labels of classification rows.
class LabelSet {
 public:
  /// `names` are the only labels, in their order; empty: whatever comes.
  explicit LabelSet(std::vector<std::string> names);

  /// The number of a label, by its name or, where only given names count, by its place. Numbers of
  /// a set without given names change in `arrange`. Throws DataError with `where`.
  int32_t number(const std::string& label, const std::string& where);

  /// Puts names that came with the rows in order, and the examples' numbers with them. Returns the
  /// names.
  std::vector<std::string> arrange(std::vector<Example>& examples) const;

 private:
  std::vector<std::string> names_;
  std::map<std::string, int32_t> numbers_;
  bool is_closed_;
  bool takes_places_ = true;  // numbers are no names
};

}  // namespace peft
