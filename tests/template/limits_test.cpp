#include <gtest/gtest.h>

#include <chrono>

#include "template/rendering.h"

namespace peft {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

constexpr std::string_view kEndless = "gave up after 10,000,000 steps";
constexpr std::string_view kLong = "a text grew beyond 8,388,608 bytes";

// A template that must be given up, and a part of the reason.
struct Bomb {
  std::string name, source;
  std::string_view reason;
};

void PrintTo(const Bomb& bomb, std::ostream* out) {
  *out << bomb.name;
}

class Bombs : public testing::TestWithParam<Bomb> {};

TEST_P(Bombs, EndInAnErrorSoon) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = refusal<ModelError>(GetParam().source);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_NE(text.find(GetParam().reason), std::string::npos) << text;
  EXPECT_LT(took.count(), 20.0);  // under a second; sanitizers and busy machines are slower
}

const std::string kThousand = "{% for a in range(1000) %}";

INSTANTIATE_TEST_SUITE_P(
    Templates, Bombs,
    testing::Values(
        Bomb{"LargeRange", "{% for i in range(999999999999) %}{% endfor %}", "1,000,000 items"},
        Bomb{"ManyRanges", "{% for i in range(1001) %}{% set x = range(1000) %}{% endfor %}",
             "1,000,000 items"},
        Bomb{"NestedLoops",
             "{% set r = range(1000) | list %}{% for a in r %}{% for b in r %}{% for c in r %}"
             "{% endfor %}{% endfor %}{% endfor %}",
             kEndless},
        Bomb{"Doubling",
             "{% set ns = namespace(x='a') %}" + kThousand +
                 "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
             kLong},
        Bomb{"DoublingOfLists",
             "{% set ns = namespace(x=[1]) %}" + kThousand +
                 "{% set ns.x = ns.x + ns.x %}{% endfor %}",
             kEndless},
        Bomb{"DeepLists",
             "{% set ns = namespace(x=[]) %}" + kThousand + "{% set ns.x = [ns.x] %}{% endfor %}",
             "lists and dicts nested deeper than 100"},
        Bomb{"SharedLists",
             "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
             "{% endfor %}{{ ns.x | tojson }}",
             kLong},
        Bomb{"SharedListsCompared",
             "{% set ns = namespace(x=[], y=[]) %}{% for i in range(60) %}"
             "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
             "{{ ns.x == ns.y }}",
             kEndless},
        Bomb{"Repetition", "{{ 'a' * 999999999999 }}", "a repetition grew too long"},
        Bomb{"RepetitionOfLists", "{{ ([1] * 3000000) | length }}", kEndless},
        Bomb{"Indent", "{{ 'a\nb' | indent(999999999999) }}", kLong},
        Bomb{"IndentOfJson", "{{ [[[1]]] | tojson(indent=8000000) }}", kLong},
        Bomb{"Replacement", "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
             "a replacement grew too long"},
        Bomb{"Join", "{{ range(10000) | join('x' * 10000) }}", kLong},
        Bomb{"Padding", "{{ 'a'.ljust(999999999999) }}", kLong},
        Bomb{"ZeroFill", "{{ '1'.zfill(9000000000000000000) }}", kLong},
        Bomb{"Tabs", "{{ ('\t' * 8000000).expandtabs(8000000) }}", kLong},
        Bomb{"ManyColumns", "{{ [1] | slice(9000000000000000000) | list }}", kEndless},
        Bomb{"FilledBatch", "{{ [1] | batch(9000000000000000000, 0) | list }}", kEndless},
        Bomb{"Format", "{{ '%99999999d' % 1 }}", "a format's width is beyond 10000"},
        Bomb{"Output", "{% set x = 'a' * 1000000 %}" + kThousand + "{{ x }}{% endfor %}", kLong},
        Bomb{"ManyLongTexts",
             "{% set ns = namespace(x=[]) %}" + kThousand +
                 "{% set ns.x = ns.x + ['a' * 8000000] %}{% endfor %}",
             kEndless},
        Bomb{"Search",
             "{% set x = 'a' * 8000000 %}{% set y = 'a' * 4000000 ~ 'b' %}" + kThousand +
                 "{{ y in x }}{% endfor %}",
             kEndless},
        Bomb{"SearchFromTheRight",
             "{% set x = 'a' * 8000000 %}{% set y = 'a' * 4000000 ~ 'b' %}" + kThousand +
                 "{{ x.rfind(y) }}{% endfor %}",
             kEndless},
        Bomb{"SearchOfAShortPart",
             "{% set x = 'a' * 8000000 %}{% set y = 'a' * 200 ~ 'b' %}" + kThousand +
                 "{{ x.count(y) }}{% endfor %}",
             kEndless},
        Bomb{"StripOfManyCharacters",
             "{% set x = 'a' * 8000000 %}{% set y = 'b' * 4000000 ~ 'a' %}" + kThousand +
                 "{{ x.strip(y) }}{% endfor %}",
             kEndless},
        Bomb{"LongKeys",
             "{% set x = 'a' * 8000000 %}{% set d = {x: 1} %}" + kThousand +
                 "{{ d[x] }}{% endfor %}",
             kEndless},
        Bomb{"SharedTuplesAsKeys",
             "{% set ns = namespace(x=()) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}"
             "{% endfor %}" +
                 kThousand + kThousand + "{% set y = {1: 2}[ns.x] %}{% endfor %}{% endfor %}",
             kEndless},
        Bomb{"UpperCase",
             "{% set x = 'é' * 4000000 %}" + kThousand + "{% set y = x | upper %}{% endfor %}",
             kEndless},
        Bomb{"LongNumbers",
             "{% set x = ' ' * 8000000 %}" + kThousand + "{% set y = x | int %}{% endfor %}",
             kEndless},
        Bomb{"EndlessMacro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
             "macro calls nested deeper than 64"},
        Bomb{"WideMacro",
             "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
             "{{ m(60) }}",
             kEndless},
        Bomb{"Parentheses", "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + "}}",
             "nested deeper than 64"},
        Bomb{"Brackets", "{{ " + repeated("[", 100000) + repeated("]", 100000) + "}}",
             "nested deeper than 64"},
        Bomb{"Signs", "{{ " + repeated("-", 100000) + "1 }}", "nested deeper than 64"},
        Bomb{"Negations", "{{ " + repeated("not ", 100000) + "1 }}", "nested deeper than 64"},
        Bomb{"Conditions", "{{ " + repeated("1 if 1 else ", 100000) + "1 }}",
             "nested deeper than 64"},
        Bomb{"Blocks", repeated("{% if 1 %}", 100000), "nested deeper than 64"},
        Bomb{"Targets", "{% for " + repeated("(", 100000) + repeated(")", 100000) + "%}",
             "nested deeper than 64"},
        Bomb{"LongSum", "{{ 1" + repeated(" + 1", 100000) + " }}",
             "an expression of more than 256 levels"},
        Bomb{"LongPath", "{{ a" + repeated(".a", 100000) + " }}",
             "an expression of more than 256 levels"},
        Bomb{"ManyFilters", "{{ 1" + repeated(" | abs", 100000) + " }}",
             "an expression of more than 256 levels"},
        Bomb{"Overflow", "{{ 9223372036854775807 + 1 }}", "an integer does not fit 64 bits"},
        Bomb{"Power", "{{ 3 ** 999999999999 }}", "an integer does not fit 64 bits"}),
    [](const auto& bomb) { return bomb.param.name; });

TEST(Limits, LetDeepButReasonableMacrosPass) {
  EXPECT_EQ(rendered("{% macro m(n) %}{% if n %}{% for i in [1] %}{{ '' ~ (m(n - 1) | trim) }}"
                     "{% endfor %}{% else %}end{% endif %}{% endmacro %}{{ m(60) }}"),
            "end");
}

TEST(Limits, CanBeTightened) {
  TemplateLimits limits;
  limits.fuel = 100;
  EXPECT_EQ(refusal<ModelError>("\n{% for i in 'abc' * 30 %}{{ i }}{% endfor %}", {}, limits),
            "chat template: line 2: gave up after 100 steps; the template does not seem to end");
}

}  // namespace
}  // namespace peft
