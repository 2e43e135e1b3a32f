#include "peft/data/personal_data.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

#include "peft/data/rows.h"
#include "peft/data/source_files.h"
#include "peft/util/pattern.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

using Check = bool (*)(const std::string& match);

/// Luhn 1960 (US patent 2,950,048): from the right, every second digit counts twice.
bool passes_luhn(const std::string& match) {
  std::string digits;
  std::copy_if(match.begin(), match.end(), std::back_inserter(digits),
               [](char c) { return c >= '0' && c <= '9'; });
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = digits[digits.size() - 1 - i] - '0';
    const int counted = i % 2 == 1 ? 2 * digit : digit;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return digits.size() >= 13 && digits.size() <= 19 && sum % 10 == 0 &&
         digits.find_first_not_of(digits[0]) != std::string::npos;
}

/// ITU-T E.164 allows 15 digits; fewer than 8 are any number.
bool has_phone_digits(const std::string& match) {
  const auto digits =
      std::count_if(match.begin(), match.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits >= 8 && digits <= 15;
}

bool is_address(const std::string& match) {
  in6_addr parsed{};
  return ::inet_pton(match.find(':') == std::string::npos ? AF_INET : AF_INET6, match.c_str(),
                     &parsed) == 1;
}

bool is_any(const std::string& /*match*/) {
  return true;
}

struct Kind {
  const char* name;
  const char* pattern;
  const char* hint;  ///< characters of which a text has at least one where it has a match
  Check check;
};

constexpr const char* kDigits = "0123456789";
const Kind kKinds[] = {
    {"e_mail", R"([A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b)", "@",
     is_any},
    {"phone",
     R"((?<![\w.+-])(?:\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5}|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4})(?![\w-]))",
     kDigits, has_phone_digits},
    {"card", R"((?<![\d.-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-]))", kDigits, passes_luhn},
    {"ip_address",
     R"((?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4})(?![\w:]|\.\d))",
     ".:", is_address},
    {"secret_key",
     R"(\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,})|-----BEGIN [A-Z ]*PRIVATE KEY-----)",
     "-_A", is_any}};

int64_t count_matches(const Pattern& pattern, const Kind& kind, const std::string& text) {
  int64_t count = 0;
  if (text.find_first_of(kind.hint) == std::string::npos) {
    return count;
  }
  for (auto found = pattern.find(text); found; found = pattern.find(text, found->second)) {
    count += kind.check(text.substr(found->first, found->second - found->first)) ? 1 : 0;
  }
  return count;
}

}  // namespace

struct PersonalDataScan::Patterns {
  std::vector<Pattern> all;
};

PersonalDataScan::PersonalDataScan() : patterns_(std::make_unique<Patterns>()) {
  for (const Kind& kind : kKinds) {
    patterns_->all.emplace_back(kind.pattern);
    counts_.push_back({kind.name, 0, {}});
  }
}

PersonalDataScan::~PersonalDataScan() = default;

void PersonalDataScan::add(const Json& row, const std::string& file, int64_t line) {
  std::vector<int64_t> matches(counts_.size());
  count_strings(row, matches);
  for (size_t kind = 0; kind < matches.size(); ++kind) {
    counts_[kind].matches += matches[kind];
    if (matches[kind] > 0) {
      counts_[kind].rows.add(file, line);
    }
  }
}

void PersonalDataScan::count_strings(const Json& value, std::vector<int64_t>& matches) const {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    for (size_t kind = 0; kind < matches.size(); ++kind) {
      matches[kind] += count_matches(patterns_->all[kind], kKinds[kind], text);
    }
  }
  if (value.is_structured()) {
    for (const Json& member : value) {
      count_strings(member, matches);
    }
  }
}

std::vector<PersonalDataCount> scan_personal_data(const std::vector<DataSource>& sources,
                                                  const DataOptions& options) {
  PersonalDataScan scan;
  for (const SourceFiles& part : source_files(sources)) {
    int64_t left = part.limit;
    for (const std::filesystem::path& file : part.files) {
      const auto rows = open_rows(file, text_split(options.text_split));
      for (auto raw = left > 0 ? rows->next() : std::nullopt; raw;
           raw = --left > 0 ? rows->next() : std::nullopt) {
        check_not_stopped();
        try {
          scan.add(rows->parse(*raw), file.string(), raw->line);
        } catch (const DataError&) {  // counted as a bad row elsewhere
        }
      }
    }
  }
  return scan.counts();
}

}  // namespace peft
