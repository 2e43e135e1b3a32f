#include "peft/template/value.h"

#include <gtest/gtest.h>

#include "template/rendering.h"

namespace peft {
namespace {

TEST(TemplateDict, HasPythonsEqualityOfKeys) {
  TemplateDict dict;
  dict.set(TemplateValue::integer(1), TemplateValue::text("int"));
  dict.set(TemplateValue::boolean(true), TemplateValue::text("bool"));
  dict.set(TemplateValue::real(1.0), TemplateValue::text("float"));
  dict.set(TemplateValue::text("1"), TemplateValue::text("str"));
  ASSERT_EQ(dict.entries().size(), 2u);
  EXPECT_EQ(dict.find(TemplateValue::integer(1))->text(), "float");
  EXPECT_EQ(dict.find("1")->text(), "str");
}

TEST(TemplateDict, RefusesKeysThatCannotBeHashed) {
  TemplateDict dict;
  EXPECT_FALSE(dict.set(TemplateValue::sequence(SequenceKind::kList, {}), TemplateValue()));
}

TEST(TemplateValue, KeepsTheOrderOfJsonObjects) {
  const TemplateValue value =
      TemplateValue::from_json(Json::parse(R"({"b": 1, "a": [2.0, null]})"));
  EXPECT_EQ(rendered("{{ x }}", {{"x", value}}), "{'b': 1, 'a': [2.0, None]}");
  EXPECT_EQ(value.depth(), 2);
}

TEST(TemplateValue, RefusesJsonItCannotHold) {
  EXPECT_THROW(TemplateValue::from_json(Json::parse("18446744073709551615")), DataError);
  Json deep = 1;
  for (int i = 0; i < 101; ++i) {
    deep = Json::array({deep});
  }
  EXPECT_THROW(TemplateValue::from_json(deep), DataError);
}

}  // namespace
}  // namespace peft
