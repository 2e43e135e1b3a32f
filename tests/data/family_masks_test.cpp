#include <gtest/gtest.h>

#include "data/family_rows.h"

namespace peft {
namespace {

const Json& family_fixture() {
  static const Json json = read_json<DataError>(
      FamilyRows::fixtures() / "data" / "family_masks.json", {.bytes = 1 << 22});
  return json;
}

/// Masks that transformers tells from marked answers (scripts/fixtures/family_masks.py).
class FamilyMasks : public testing::TestWithParam<std::string> {};

TEST_P(FamilyMasks, AreThoseOfTheReference) {
  const auto batch = family_fixture().at("batch").get<size_t>();
  for (const auto& [mode, expected] : family_fixture().at("families").at(GetParam()).items()) {
    SCOPED_TRACE(mode);
    FamilyRows rows(GetParam());
    EXPECT_EQ(rows.hashes(family_fixture().at("rows"), {.train_on = mode}, batch),
              expected.at("hashes").get<std::vector<std::string>>());
    for (const auto& [name, count] : rows.counts) {
      EXPECT_EQ(count, expected.at(name).get<int64_t>()) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Templates, FamilyMasks,
                         testing::ValuesIn(FamilyRows::names(family_fixture().at("families"))),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace peft
