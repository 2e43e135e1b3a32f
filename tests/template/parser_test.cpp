#include "peft/template/parser.h"

#include <gtest/gtest.h>

#include "peft/template/lexer.h"
#include "template/rendering.h"

namespace peft {
namespace {

TEST(Lexer, DropsCommentsAndTheLineEndBehindATag) {
  const auto tokens = template_tokens("a\n  {% if x %}\nb{# c #}\n");
  ASSERT_EQ(tokens.size(), 7u);
  EXPECT_EQ(tokens[0].text, "a\n");
  EXPECT_EQ(tokens[5].text, "b");
  EXPECT_EQ(tokens[5].line, 3);
}

TEST(Lexer, RefusesTextThatIsNotUtf8) {
  EXPECT_EQ(refusal<ModelError>("\xFF"), "chat template: expected UTF-8 text");
}

TEST(Parser, NamesTheLineOfAFault) {
  EXPECT_EQ(refusal<ModelError>("a\nb\n{{ 1 + }}"),
            "chat template: line 3: expected an expression, found \"}}\"");
  EXPECT_EQ(refusal<ModelError>("{% if x %}\n\n{% endfor %}"),
            "chat template: line 3: expected a tag we know, found \"endfor\"");
  EXPECT_EQ(refusal<ModelError>("\n{% if x %}"),
            "chat template: line 2: expected \"endif\", found the end");
  EXPECT_EQ(refusal<ModelError>("\n\n{{ 'abc }}"), "chat template: line 3: a string does not end");
  EXPECT_EQ(refusal<ModelError>("{{ a"), "chat template: line 1: a tag does not end");
  EXPECT_EQ(refusal<ModelError>("{# a"), "chat template: line 1: a comment does not end");
  EXPECT_EQ(refusal<ModelError>("{% raw %}a"), "chat template: line 1: a raw block does not end");
  EXPECT_EQ(refusal<ModelError>("{{ (1] }}"), "chat template: line 1: unexpected \"]\"");
  EXPECT_EQ(refusal<ModelError>("{{ 1 ? 2 }}"), "chat template: line 1: unexpected \"?\"");
}

TEST(Parser, NamesWhatItDoesNotSupport) {
  EXPECT_EQ(refusal<ModelError>("{% include 'x' %}"),
            "chat template: line 1: expected a tag we know, found \"include\"");
  EXPECT_EQ(refusal<ModelError>("{{ x | urlize }}"),
            "chat template: line 1: expected a filter we know, found \"urlize\"");
  EXPECT_EQ(refusal<ModelError>("{{ x is prime }}"),
            "chat template: line 1: expected a test we know, found \"prime\"");
  EXPECT_EQ(refusal<ModelError>("{% for x in y recursive %}{% endfor %}"),
            "chat template: line 1: recursive loops are not supported, found \"recursive\"");
  EXPECT_EQ(refusal<ModelError>("{{ f(*x) }}"),
            "chat template: line 1: unpacked arguments are not supported, found \"*\"");
  EXPECT_EQ(refusal<ModelError>("{{ 99999999999999999999 }}"),
            "chat template: line 1: expected an integer of 64 bits instead of "
            "99999999999999999999, found \"}}\"");
}

}  // namespace
}  // namespace peft
