#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"

namespace peft {
namespace {

std::string_view symbol(ExpressionKind operation) {
  switch (operation) {
    case ExpressionKind::kAdd:
      return "+";
    case ExpressionKind::kSubtract:
      return "-";
    case ExpressionKind::kMultiply:
      return "*";
    case ExpressionKind::kDivide:
      return "/";
    case ExpressionKind::kFloorDivide:
      return "//";
    case ExpressionKind::kModulo:
      return "%";
    default:
      return "**";
  }
}

[[noreturn]] void overflow(TemplateContext& context) {
  context.unsupported("an integer does not fit 64 bits");
}

// Python rounds towards minus infinity, and the remainder has the divisor's sign.
int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

double real_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest == 0 ? std::copysign(0.0, b) : (rest < 0) != (b < 0) ? rest + b : rest;
}

// As Python computes it: 1.0 // 0.1 is 9.0, for 0.1 is a little more than a tenth.
double real_floor_divide(double a, double b) {
  const double quotient = (a - real_modulo(a, b)) / b;
  if (quotient == 0) {
    return std::copysign(0.0, a / b);
  }
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

double real_power(TemplateContext& context, double a, double b) {
  if (a == 0 && b < 0) {
    context.refuse("0.0 cannot be raised to a negative power");
  }
  const double result = std::pow(a, b);
  if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) {
    context.unsupported("a complex number");
  }
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    context.refuse("Numerical result out of range");
  }
  return result;
}

int64_t integer_power(TemplateContext& context, int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent && base != 0 && base != 1; ++i) {
    if (base == -1) {
      return exponent % 2 == 0 ? 1 : -1;
    }
    if (__builtin_mul_overflow(result, base, &result)) {
      overflow(context);
    }
  }
  return base == 0 && exponent > 0 ? 0 : result;
}

TemplateValue integers(TemplateContext& context, ExpressionKind operation, int64_t a, int64_t b) {
  int64_t result = 0;
  bool too_large = false;
  switch (operation) {
    case ExpressionKind::kAdd:
      too_large = __builtin_add_overflow(a, b, &result);
      break;
    case ExpressionKind::kSubtract:
      too_large = __builtin_sub_overflow(a, b, &result);
      break;
    case ExpressionKind::kMultiply:
      too_large = __builtin_mul_overflow(a, b, &result);
      break;
    case ExpressionKind::kDivide:
      return TemplateValue::real(static_cast<double>(a) / static_cast<double>(b));
    case ExpressionKind::kFloorDivide:
      too_large = a == INT64_MIN && b == -1;
      result = too_large ? 0 : floor_divide(a, b);
      break;
    case ExpressionKind::kModulo:
      result = b == -1 ? 0 : a - floor_divide(a, b) * b;
      break;
    default:
      if (b < 0) {
        return TemplateValue::real(
            real_power(context, static_cast<double>(a), static_cast<double>(b)));
      }
      result = integer_power(context, a, b);
  }
  if (too_large) {
    overflow(context);
  }
  return TemplateValue::integer(result);
}

TemplateValue reals(TemplateContext& context, ExpressionKind operation, double a, double b) {
  switch (operation) {
    case ExpressionKind::kAdd:
      return TemplateValue::real(a + b);
    case ExpressionKind::kSubtract:
      return TemplateValue::real(a - b);
    case ExpressionKind::kMultiply:
      return TemplateValue::real(a * b);
    case ExpressionKind::kDivide:
      return TemplateValue::real(a / b);
    case ExpressionKind::kFloorDivide:
      return TemplateValue::real(real_floor_divide(a, b));
    case ExpressionKind::kModulo:
      return TemplateValue::real(real_modulo(a, b));
    default:
      return TemplateValue::real(real_power(context, a, b));
  }
}

bool divides(ExpressionKind operation) {
  return operation == ExpressionKind::kDivide || operation == ExpressionKind::kFloorDivide ||
         operation == ExpressionKind::kModulo;
}

// "ab" * 3 and [0] * 3, from either side.
TemplateValue repeated(TemplateContext& context, const TemplateValue& value, int64_t times) {
  const size_t count = times > 0 ? static_cast<size_t>(times) : 0;
  const size_t size = value.is_text() ? value.text().size() : value.items().size();
  if (size > 0 && count > context.limits().text_bytes / size) {
    context.unsupported("a repetition grew too long");
  }
  if (value.is_text()) {
    context.expect_text(size * count);
    std::string text;
    text.reserve(size * count);
    for (size_t i = 0; i < count && size > 0; ++i) {
      text += value.text();
    }
    return context.text(std::move(text));
  }
  context.expect_items(size * count);
  std::vector<TemplateValue> items;
  for (size_t i = 0; i < count && size > 0; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return context.sequence(value.sequence()->kind, std::move(items));
}

bool is_repeatable(const TemplateValue& value) {
  return value.is_text() || value.is(SequenceKind::kList) || value.is(SequenceKind::kTuple);
}

// A text joined to one that counts as escaped is escaped first.
TemplateValue joined_markup(TemplateContext& context, const TemplateValue& left,
                            const TemplateValue& right) {
  std::string text = left.is_markup() ? left.text() : markup_escaped(left.text());
  text += right.is_markup() ? right.text() : markup_escaped(right.text());
  context.expect_text(text.size());
  return TemplateValue::markup(std::move(text));
}

std::optional<TemplateValue> joined(TemplateContext& context, const TemplateValue& left,
                                    const TemplateValue& right) {
  if (left.is_text() && right.is_text()) {
    context.expect_text(left.text().size() + right.text().size());
    return left.is_markup() || right.is_markup() ? joined_markup(context, left, right)
                                                 : context.text(left.text() + right.text());
  }
  const bool lists = left.is(SequenceKind::kList) && right.is(SequenceKind::kList);
  if (lists || (left.is(SequenceKind::kTuple) && right.is(SequenceKind::kTuple))) {
    context.expect_items(left.items().size() + right.items().size());
    std::vector<TemplateValue> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return context.sequence(left.sequence()->kind, std::move(items));
  }
  return std::nullopt;
}

[[noreturn]] void refuse_types(TemplateContext& context, ExpressionKind operation,
                               const TemplateValue& left, const TemplateValue& right) {
  if (left.is_undefined() || right.is_undefined()) {
    context.refuse((left.is_undefined() ? left : right).why_undefined());
  }
  if (operation == ExpressionKind::kAdd && left.is_text()) {
    context.refuse(fmt::format("can only concatenate str (not \"{}\") to str", right.type_name()));
  }
  context.refuse(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(operation),
                             left.type_name(), right.type_name()));
}

}  // namespace

TemplateValue arithmetic(TemplateContext& context, ExpressionKind operation,
                         const TemplateValue& left, const TemplateValue& right) {
  if (left.is_number() && right.is_number()) {
    if (divides(operation) && right.as_real() == 0) {
      context.refuse("division by zero");
    }
    const auto a = left.as_integer();
    const auto b = right.as_integer();
    return a && b ? integers(context, operation, *a, *b)
                  : reals(context, operation, left.as_real(), right.as_real());
  }
  if (operation == ExpressionKind::kAdd) {
    if (const auto sum = joined(context, left, right)) {
      return *sum;
    }
  }
  if (operation == ExpressionKind::kMultiply && is_repeatable(left) && right.as_integer()) {
    return repeated(context, left, *right.as_integer());
  }
  if (operation == ExpressionKind::kMultiply && is_repeatable(right) && left.as_integer()) {
    return repeated(context, right, *left.as_integer());
  }
  if (operation == ExpressionKind::kModulo && left.is_text()) {
    return context.text(format_percent(context, left.text(), right));
  }
  refuse_types(context, operation, left, right);
}

TemplateValue signed_value(TemplateContext& context, bool negative, const TemplateValue& value) {
  if (value.is_undefined()) {
    context.refuse(value.why_undefined());
  }
  if (!value.is_number()) {
    context.refuse(fmt::format("bad operand type for unary {}: '{}'", negative ? '-' : '+',
                               value.type_name()));
  }
  const auto integer = value.as_integer();
  if (!integer) {
    return TemplateValue::real(negative ? -value.real() : value.real());
  }
  return negative ? integers(context, ExpressionKind::kSubtract, 0, *integer)
                  : TemplateValue::integer(*integer);
}

}  // namespace peft
