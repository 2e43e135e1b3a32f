#include "peft/template/context.h"

#include <gtest/gtest.h>

#include "template/rendering.h"

namespace peft {
namespace {

TEST(Rendering, CarriesTheMessageOfRaiseException) {
  EXPECT_EQ(refusal<DataError>("{{ raise_exception('roles must\nalternate') }}"),
            "the chat template refuses this conversation: roles must\\nalternate");
}

TEST(Rendering, SaysWhatIsMissingAndWhere) {
  const TemplateVariables variables = {
      {"message", TemplateValue::from_json(Json{{"role", "user"}, {"content", nullptr}})}};
  EXPECT_EQ(refusal<DataError>("\n{{ 'a' + message.text }}", variables),
            "chat template: line 2: 'dict object' has no attribute 'text'");
  EXPECT_EQ(refusal<DataError>("{{ 'a' + message.content }}", variables),
            "chat template: line 1: can only concatenate str (not \"NoneType\") to str");
  EXPECT_EQ(refusal<DataError>("{{ nobody.x }}"), "chat template: line 1: 'nobody' is undefined");
  EXPECT_EQ(refusal<DataError>("{% for x in message.content %}{% endfor %}", variables),
            "chat template: line 1: 'NoneType' object is not iterable");
}

TEST(Rendering, KeepsTheInsidesOfValuesOutOfReach) {
  EXPECT_EQ(refusal<ModelError>("{{ ''.__class__ }}"),
            "chat template: line 1: access to attribute '__class__' of 'str' object is unsafe");
  EXPECT_EQ(refusal<DataError>("{{ [1].append(2) }}"),
            "chat template: line 1: access to attribute 'append' of 'list' object is unsafe.");
}

TEST(Rendering, ChecksTheArgumentsOfFilters) {
  EXPECT_EQ(refusal<ModelError>("{{ 'a' | replace('b') }}"),
            "chat template: line 1: replace: argument \"new\" is missing");
  EXPECT_EQ(refusal<ModelError>("{{ 'a' | trim('b', 'c') }}"),
            "chat template: line 1: trim: expected at most 1 arguments, found 2");
  EXPECT_EQ(refusal<ModelError>("{{ 1 | tojson(width=2) }}"),
            "chat template: line 1: tojson: unknown argument \"width\"");
  EXPECT_EQ(refusal<ModelError>("{{ 'a' | indent([]) }}"),
            "chat template: line 1: indent: expected an integer, found list");
}

TEST(Rendering, PrintsTheDate) {
  const std::string year = rendered("{{ strftime_now('%Y') }}");
  EXPECT_EQ(year.size(), 4u);
  EXPECT_GE(year, "2025");
}

TEST(Rendering, StartsAfreshEachTime) {
  const JinjaTemplate counted("{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}");
  EXPECT_EQ(counted.render({}), "1");
  EXPECT_EQ(counted.render({}), "1");
}

TEST(Rendering, FreesNamespacesThatHoldEachOther) {
  EXPECT_EQ(rendered("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = [b, a] %}"
                     "{{ a.b | length }}"),
            "2");
}

}  // namespace
}  // namespace peft
