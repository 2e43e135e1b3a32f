#include "peft/data/personal_data.h"

#include <gtest/gtest.h>

#include <map>

#include "io/temporary_directory.h"

namespace peft {
namespace {

/// Matches by kind, those that were met.
std::map<std::string, int64_t> matches(const std::string& text) {
  PersonalDataScan scan;
  scan.add({{"text", text}}, "d.jsonl", 1);
  std::map<std::string, int64_t> met;
  for (const PersonalDataCount& kind : scan.counts()) {
    if (kind.matches > 0) {
      met[kind.kind] = kind.matches;
    }
  }
  return met;
}

using Met = std::map<std::string, int64_t>;

TEST(PersonalData, FindsEMailAddresses) {
  EXPECT_EQ(matches("Write to jane.doe+x@mail.example.org, or a@b.de."), (Met{{"e_mail", 2}}));
  EXPECT_EQ(matches("me @ home, a@b, @handle"), Met{});
}

TEST(PersonalData, FindsPhoneNumbers) {
  EXPECT_EQ(matches("+49 30 1234567, (212) 555-0187, 212-555-0187, +1 (212) 555-0187"),
            (Met{{"phone", 4}}));
  EXPECT_EQ(matches("2021-05-06, 1234567, 3.14159265, 10+20 30 40, +1000"), Met{});
}

TEST(PersonalData, FindsCardNumbersThatPassLuhn) {
  EXPECT_EQ(matches("4111 1111 1111 1111 or 5500-0000-0000-0004"), (Met{{"card", 2}}));
  EXPECT_EQ(matches("4111 1111 1111 1112, 4444444444444444"), Met{});
}

TEST(PersonalData, FindsIpAddresses) {
  EXPECT_EQ(matches("192.168.10.1, 2001:db8::8a2e:370:7334"), (Met{{"ip_address", 2}}));
  EXPECT_EQ(matches("version 1.2.3, 999.1.1.1, at 12:30:45"), Met{});
}

TEST(PersonalData, FindsSecretKeys) {
  EXPECT_EQ(matches("AKIAABCDEFGHIJKLMNOP and -----BEGIN RSA PRIVATE KEY-----"),
            (Met{{"secret_key", 2}}));
}

TEST(PersonalData, CountsEveryStringOfARowAndItsPlace) {
  PersonalDataScan scan;
  scan.add(Json::parse(R"({"messages": [{"content": "a@b.de"}, {"content": "c@d.de"}]})"),
           "d.jsonl", 7);
  EXPECT_EQ(scan.counts()[0].matches, 2);
  EXPECT_EQ(scan.counts()[0].rows.count(), 1);
  EXPECT_EQ(scan.counts()[0].rows.text(), "d.jsonl:7");
}

TEST(PersonalData, PassesOverRowsThatCannotBeRead) {
  const TemporaryDirectory folder;
  put_file(folder / "d.jsonl", "{broken\n{\"text\": \"a@b.de\"}\n");
  EXPECT_EQ(scan_personal_data({{.path = folder / "d.jsonl"}}, {})[0].matches, 1);
}

}  // namespace
}  // namespace peft
