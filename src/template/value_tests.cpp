#include <fmt/format.h>

#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

void expect_none(TemplateContext& context, const Given& given) {
  BoundArguments(context, "test", given, {});
}

// Tests that look at the type alone.
template <bool (*kTest)(const Value&)>
bool of_type(TemplateContext& context, const Value& value, const Given& given) {
  expect_none(context, given);
  return kTest(value);
}

bool is_defined(const Value& value) {
  return !value.is_undefined();
}
bool is_undefined(const Value& value) {
  return value.is_undefined();
}
bool is_none(const Value& value) {
  return value.is_none();
}
bool is_boolean(const Value& value) {
  return value.is_boolean();
}
bool is_exactly_true(const Value& value) {
  return value.is_boolean() && value.boolean();
}
bool is_exactly_false(const Value& value) {
  return value.is_boolean() && !value.boolean();
}
bool is_integer(const Value& value) {
  return value.is_integer();
}
bool is_real(const Value& value) {
  return value.is_real();
}
bool is_number(const Value& value) {
  return value.is_number();
}
bool is_string(const Value& value) {
  return value.is_text();
}
bool is_mapping(const Value& value) {
  return value.is_dict();
}
// An undefined value can be called, to Python's mind; the call is an error.
bool is_callable(const Value& value) {
  return value.is_callable() || value.is_undefined();
}
bool is_escaped(const Value& value) {
  return value.is_markup();
}

// An undefined value has a length (0) and, to Jinja's mind, elements.
bool is_sequence(const Value& value) {
  return value.is_text() || value.is_dict() || value.is_undefined() ||
         (value.is_sequence() && value.sequence()->kind <= SequenceKind::kRange);
}

bool is_iterable(const Value& value) {
  return value.is_text() || value.is_dict() || value.is_undefined() || value.is_sequence() ||
         value.is_loop();
}

template <int kCase>
bool has_case(TemplateContext& context, const Value& value, const Given& given) {
  expect_none(context, given);
  const Value text = context.text(to_text(context, value));
  return find_text_method(kCase > 0 ? "isupper" : "islower")(context, text, given).boolean();
}

int64_t remainder(TemplateContext& context, const Value& value, const Value& divisor) {
  const Value rest = arithmetic(context, ExpressionKind::kModulo, value, divisor);
  // A float has no whole remainder but may have the same truth: 2.0 is even.
  const auto integer = rest.as_integer();
  return integer                              ? *integer
         : rest.is_real() && rest.real() == 0 ? 0
         : rest.is_real() && rest.real() == 1 ? 1
                                              : -1;
}

template <int64_t kRest>
bool leaves(TemplateContext& context, const Value& value, const Given& given) {
  expect_none(context, given);
  return remainder(context, value, Value::integer(2)) == kRest;
}

bool is_divisible(TemplateContext& context, const Value& value, const Given& given) {
  const BoundArguments bound(context, "divisibleby", given, {"num"}, 1);
  return remainder(context, value, *bound[0]) == 0;
}

bool is_same(TemplateContext& context, const Value& value, const Given& given) {
  return value.same_as(*BoundArguments(context, "sameas", given, {"other"}, 1)[0]);
}

bool is_filter(TemplateContext& context, const Value& value, const Given& given) {
  expect_none(context, given);
  expect_hashable(context, value);
  return value.is_text() && find_filter(value.text()) != nullptr;
}

bool is_test(TemplateContext& context, const Value& value, const Given& given) {
  expect_none(context, given);
  expect_hashable(context, value);
  return value.is_text() && find_test(value.text()) != nullptr;
}

template <Comparison kComparison>
bool compared(TemplateContext& context, const Value& value, const Given& given) {
  return compare(context, kComparison, value,
                 *BoundArguments(context, "comparison", given, {"other"}, 1)[0]);
}

}  // namespace

TemplateTest find_test(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateTest> kTests = {
      {"!=", compared<Comparison::kNotEqual>},
      {"<", compared<Comparison::kLess>},
      {"<=", compared<Comparison::kLessEqual>},
      {"==", compared<Comparison::kEqual>},
      {">", compared<Comparison::kGreater>},
      {">=", compared<Comparison::kGreaterEqual>},
      {"boolean", of_type<is_boolean>},
      {"callable", of_type<is_callable>},
      {"defined", of_type<is_defined>},
      {"divisibleby", is_divisible},
      {"eq", compared<Comparison::kEqual>},
      {"equalto", compared<Comparison::kEqual>},
      {"escaped", of_type<is_escaped>},
      {"even", leaves<0>},
      {"false", of_type<is_exactly_false>},
      {"filter", is_filter},
      {"float", of_type<is_real>},
      {"ge", compared<Comparison::kGreaterEqual>},
      {"greaterthan", compared<Comparison::kGreater>},
      {"gt", compared<Comparison::kGreater>},
      {"in", compared<Comparison::kIn>},
      {"integer", of_type<is_integer>},
      {"iterable", of_type<is_iterable>},
      {"le", compared<Comparison::kLessEqual>},
      {"lessthan", compared<Comparison::kLess>},
      {"lower", has_case<-1>},
      {"lt", compared<Comparison::kLess>},
      {"mapping", of_type<is_mapping>},
      {"ne", compared<Comparison::kNotEqual>},
      {"none", of_type<is_none>},
      {"number", of_type<is_number>},
      {"odd", leaves<1>},
      {"sameas", is_same},
      {"sequence", of_type<is_sequence>},
      {"string", of_type<is_string>},
      {"test", is_test},
      {"true", of_type<is_exactly_true>},
      {"undefined", of_type<is_undefined>},
      {"upper", has_case<1>}};
  const auto found = kTests.find(name);
  return found == kTests.end() ? nullptr : found->second;
}

}  // namespace peft
