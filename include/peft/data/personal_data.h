#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "peft/data/data_tally.h"

namespace peft {

/// What looks like data of a person or a secret, by kind. Nothing here ever holds a value.
struct PersonalDataCount {
  std::string kind;     ///< e_mail, phone, card, ip_address, secret_key
  int64_t matches = 0;  ///< in all rows
  RowPlaces rows;
};

/// Looks for e-mail addresses, phone numbers (with a country code or in the North American form),
/// card numbers (13 to 19 digits that pass Luhn's check), IP addresses and well-known forms of
/// secret keys. It counts; it is no proof that a text has none.
class PersonalDataScan {
 public:
  PersonalDataScan();
  ~PersonalDataScan();

  /// Every string of a row, at any depth.
  void add(const Json& row, const std::string& file, int64_t line);

  /// One entry per kind, also for those that were not met.
  const std::vector<PersonalDataCount>& counts() const { return counts_; }

 private:
  struct Patterns;
  void count_strings(const Json& value, std::vector<int64_t>& matches) const;

  std::unique_ptr<Patterns> patterns_;
  std::vector<PersonalDataCount> counts_;
};

/// Scans all rows of the sources as they stand in their files; rows that cannot be read are passed
/// over. Throws DataError for a file that cannot be cut into rows.
std::vector<PersonalDataCount> scan_personal_data(const std::vector<DataSource>& sources,
                                                  const DataOptions& options);

}  // namespace peft
