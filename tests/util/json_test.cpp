#include "peft/util/json.h"

#include <gtest/gtest.h>

namespace peft {
namespace {

std::string fault_of(const std::string& text, JsonLimits limits = {}) {
  std::optional<JsonFault> fault;
  parse_json(text, limits, &fault);
  return fault ? fmt::format("{}:{}: {}", fault->position.line, fault->position.column,
                             fault->message)
               : "";
}

TEST(Json, KeepsTheOrderOfMembers) {
  const Json json = parse_json<UsageError>(R"({"b": 1, "a": 2})", "x.json");
  EXPECT_EQ(json.dump(), R"({"b":1,"a":2})");
}

TEST(Json, RefusesADuplicateKeyAtItsPlace) {
  std::optional<JsonFault> fault;
  JsonPositions positions;
  parse_json("{\n  \"a\": 1,\n  \"a\": 2\n}", {}, &fault, &positions);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->message, "the key \"a\" appears twice");
  EXPECT_EQ(fault->position.line, 3);
  EXPECT_EQ(fault->position.column, 3);
}

TEST(Json, RefusesWhatIsNotStrictJson) {
  EXPECT_EQ(fault_of("\xEF\xBB\xBF{}"),
            "1:1: starts with a byte-order mark; save the file as plain UTF-8");
  EXPECT_EQ(fault_of("[[[1]]]", {.bytes = 100, .depth = 2}), "1:1: nested deeper than 2 levels");
  EXPECT_EQ(fault_of("{}", {.bytes = 1}), "1:1: expected at most 1 bytes, found 2");
  EXPECT_EQ(fault_of("[18446744073709551616]"),
            "1:1: the integer 18446744073709551616 is out of range");
  EXPECT_NE(fault_of("{} x"), "");
  EXPECT_NE(fault_of("[NaN]"), "");
  EXPECT_NE(fault_of("[\"\xFF\"]"), "");
}

TEST(Json, LetsHugeIntegersPassWhereTheyAreExpected) {
  const Json json = parse_json<ModelError>("[1000000000000000019884624838656]", "x.json",
                                           {.huge_integers = true});
  EXPECT_EQ(json[0].get<double>(), 1e30);
}

TEST(Json, PlacesADuplicateKeyWithoutBeingAskedForPositions) {
  EXPECT_EQ(fault_of("{\n  \"a\": 1,\n  \"a\": 2\n}"), "3:3: the key \"a\" appears twice");
}

TEST(Json, SurvivesADepthBomb) {
  EXPECT_EQ(fault_of(std::string(1'000'000, '['), {.bytes = 2'000'000, .depth = 64}),
            "1:1: nested deeper than 64 levels");
}

TEST(Json, KnowsWhereEveryKeyStands) {
  JsonPositions positions;
  parse_json<UsageError>("{\n  \"a\": {\"b\": [ {\"c\": \"x:\\\"y\"} ]}\n}", "x", {}, &positions);
  EXPECT_EQ(positions.at("/a").line, 2);
  EXPECT_EQ(positions.at("/a/b").column, 9);
  EXPECT_EQ(positions.at("/a/b/0/c").column, 17);
}

TEST(Json, ShowsTheStartOfAValue) {
  EXPECT_EQ(json_excerpt(Json::parse(R"({"a": [1, "x\ny", null], "b": {}})")),
            R"({"a":[1,"x\ny",null],"b":{}})");
  EXPECT_EQ(json_excerpt(std::string(58, 'x')), "\"" + std::string(58, 'x') + "\"");
  EXPECT_EQ(json_excerpt(std::string(59, 'x')), "\"" + std::string(56, 'x') + "...");
  EXPECT_EQ(json_excerpt(Json::array({std::string(100, 'x'), 1})),
            "[\"" + std::string(55, 'x') + "...");
  EXPECT_EQ(json_excerpt(Json(std::vector<int>(9, 1))), "a list");
}

TEST(JsonReader, ReadsTypedMembersAndLeavesAbsentOnesAlone) {
  const Json json =
      parse_json<UsageError>(R"({"n": 3, "x": 1, "s": "t", "l": [1, 2], "z": null})", "f");
  JsonReader<UsageError> reader(json, "f: part");
  int n = 0;
  double x = 0.0;
  double y = 7.0;
  std::string s;
  std::vector<int> l;
  std::optional<int> z;
  EXPECT_TRUE(reader.read("n", n) && reader.read("x", x) && reader.read("s", s) &&
              reader.read("l", l));
  EXPECT_FALSE(reader.read("y", y) || reader.read("z", z));
  reader.finish();
  EXPECT_EQ(n, 3);
  EXPECT_EQ(x, 1.0);
  EXPECT_EQ(y, 7.0);
  EXPECT_EQ(l, (std::vector<int>{1, 2}));
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonReader, NamesTheKeyAndTheKind) {
  const Json json = parse_json<UsageError>(R"({"n": 2.5, "s": "1e-4", "big": 300})", "f");
  JsonReader<UsageError> reader(json, "f: part");
  int n = 0;
  double d = 0.0;
  int8_t big = 0;
  EXPECT_EQ(message_of([&] { reader.read("n", n); }), "f: part: n: expected an integer, found 2.5");
  EXPECT_EQ(message_of([&] { reader.read("s", d); }),
            "f: part: s: expected a number, found \"1e-4\"");
  EXPECT_EQ(message_of([&] { reader.read("big", big); }), "f: part: big: 300 is out of range");
}

TEST(JsonReader, SuggestsTheNearestKey) {
  const Json json = parse_json<UsageError>(R"({"learing_rate": 1})", "f");
  JsonReader<UsageError> reader(json, "run.json: training");
  double rate = 0.0;
  reader.read("learning_rate", rate);
  EXPECT_EQ(message_of([&] { reader.finish(); }),
            "run.json: training: unknown key \"learing_rate\"; did you mean \"learning_rate\"?");
}

}  // namespace
}  // namespace peft
