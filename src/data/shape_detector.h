#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/row_mapping.h"

namespace peft {

/// Tries the layouts on one row.
class ShapeDetector {
 public:
  /// Borrows both.
  ShapeDetector(const Json& row, const DataOptions& options) : row_(row), options_(options) {}

  /// The first layout that fits, in the order of precedence; `wanted` limits it to one format.
  std::optional<RowMapping> find(const std::string& wanted) const;

  /// The next shape below the one taken that also fits.
  std::optional<RowMapping> runner_up(RowShape taken) const;

 private:
  using Columns = std::map<std::string, std::optional<std::string>>;

  /// The file's name of a column if the row has it: what data.columns says, else the first of
  /// `names` (our own name when there are none).
  std::optional<std::string> name_of(const std::string& ours,
                                     const std::vector<std::string>& names = {}) const;
  /// A mapping if every needed column is there; optional ones join when they are.
  std::optional<RowMapping> mapping(RowShape shape, RowMapping::Layout layout,
                                    const Columns& needed,
                                    const std::vector<std::string>& optional) const;
  bool fits_task(RowShape shape) const;
  std::optional<RowMapping> tokens() const;
  std::optional<RowMapping> segments() const;
  std::optional<RowMapping> chat() const;
  std::optional<RowMapping> instruct() const;
  std::optional<RowMapping> pair() const;
  std::optional<RowMapping> classification() const;
  std::optional<RowMapping> text() const;
  void set_message_keys(RowMapping& found, const Json& message) const;

  const Json& row_;
  const DataOptions& options_;
};

}  // namespace peft
