#include <fmt/format.h>

#include "peft/template/builtins.h"
#include "peft/template/interpreter.h"
#include "peft/template/operations.h"

namespace peft {

const TemplateValue* TemplateScope::find(std::string_view name) const {
  for (const TemplateScope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->variables) {
      if (known == name) {
        return &value;
      }
    }
  }
  return nullptr;
}

void TemplateScope::set(const std::string& name, TemplateValue value) {
  for (auto& [known, old] : variables) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

bool Interpreter::holds(const TemplateExpression& node) {
  return is_true(evaluate(node));
}

TemplateValue Interpreter::evaluate(const TemplateExpression& node) {
  context_.at(node.line);
  context_.spend(1);
  const auto nesting = context_.enter_node();
  switch (node.kind) {
    case ExpressionKind::kConstant:
      return node.constant;
    case ExpressionKind::kName:
      return evaluate_name(node);
    case ExpressionKind::kCaptured:
      return captured_;
    case ExpressionKind::kList:
      return evaluate_items(node, SequenceKind::kList);
    case ExpressionKind::kTuple:
      return evaluate_items(node, SequenceKind::kTuple);
    case ExpressionKind::kDict:
      return evaluate_dict(node);
    case ExpressionKind::kAttribute:
      return attribute_of(context_, evaluate(*node.parts[0]), node.name);
    case ExpressionKind::kItem: {
      const TemplateValue value = evaluate(*node.parts[0]);
      return item_of(context_, value, evaluate(*node.parts[1]));
    }
    case ExpressionKind::kSlice:
      return evaluate_slice(node);
    case ExpressionKind::kCall:
    case ExpressionKind::kFilter:
    case ExpressionKind::kTest:
      return evaluate_applied(node);
    case ExpressionKind::kNot:
      return TemplateValue::boolean(!holds(*node.parts[0]));
    case ExpressionKind::kNegative:
    case ExpressionKind::kPositive:
      return signed_value(context_, node.kind == ExpressionKind::kNegative,
                          evaluate(*node.parts[0]));
    case ExpressionKind::kConcatenate:
      return evaluate_concatenation(node);
    case ExpressionKind::kCompare:
      return evaluate_compare(node);
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr: {
      TemplateValue left = evaluate(*node.parts[0]);
      const bool decided = is_true(left) == (node.kind == ExpressionKind::kOr);
      return decided ? left : evaluate(*node.parts[1]);
    }
    case ExpressionKind::kConditional:
      return evaluate_conditional(node);
    default: {
      const TemplateValue left = evaluate(*node.parts[0]);
      return arithmetic(context_, node.kind, left, evaluate(*node.parts[1]));
    }
  }
}

TemplateValue Interpreter::evaluate_name(const TemplateExpression& node) {
  const TemplateValue* found = scope_->find(node.name);
  return found == nullptr ? TemplateValue::undefined(fmt::format("'{}' is undefined", node.name))
                          : *found;
}

TemplateValue Interpreter::evaluate_items(const TemplateExpression& node, SequenceKind kind) {
  std::vector<TemplateValue> items;
  items.reserve(node.parts.size());
  for (const ExpressionPtr& part : node.parts) {
    items.push_back(evaluate(*part));
  }
  return context_.sequence(kind, std::move(items));
}

TemplateValue Interpreter::evaluate_dict(const TemplateExpression& node) {
  TemplateDict dict;
  for (size_t i = 0; i < node.parts.size(); i += 2) {
    const TemplateValue key = evaluate(*node.parts[i]);
    context_.spend_value(key);
    if (!dict.set(key, evaluate(*node.parts[i + 1]))) {
      context_.refuse(fmt::format("unhashable type: '{}'", key.type_name()));
    }
  }
  return context_.dict(std::move(dict));
}

TemplateValue Interpreter::evaluate_slice(const TemplateExpression& node) {
  const TemplateValue value = evaluate(*node.parts[0]);
  TemplateValue bounds[3];
  const TemplateValue* given[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    if (node.parts[i + 1]) {
      bounds[i] = evaluate(*node.parts[i + 1]);
      given[i] = bounds[i].is_none() ? nullptr : &bounds[i];
    }
  }
  return slice_of(context_, value, given[0], given[1], given[2]);
}

TemplateValue Interpreter::evaluate_compare(const TemplateExpression& node) {
  TemplateValue left = evaluate(*node.parts[0]);
  for (size_t i = 0; i < node.comparisons.size(); ++i) {
    TemplateValue right = evaluate(*node.parts[i + 1]);
    if (!compare(context_, node.comparisons[i], left, right)) {
      return TemplateValue::boolean(false);
    }
    left = std::move(right);
  }
  return TemplateValue::boolean(true);
}

TemplateValue Interpreter::evaluate_concatenation(const TemplateExpression& node) {
  std::string text;
  for (const ExpressionPtr& part : node.parts) {
    text += to_text(context_, evaluate(*part));
    context_.check_text(text.size());
  }
  return context_.text(std::move(text));
}

TemplateValue Interpreter::evaluate_conditional(const TemplateExpression& node) {
  if (holds(*node.parts[0])) {
    return evaluate(*node.parts[1]);
  }
  if (node.parts[2]) {
    return evaluate(*node.parts[2]);
  }
  return TemplateValue::undefined(
      "the inline if-expression evaluated to false and no else section was defined.");
}

TemplateArguments Interpreter::arguments(const TemplateExpression& node) {
  TemplateArguments given;
  for (size_t i = 1; i < node.parts.size(); ++i) {
    given.positional.push_back(evaluate(*node.parts[i]));
    context_.spend_value(given.positional.back());
  }
  for (const auto& [name, value] : node.named) {
    given.named.emplace_back(name, evaluate(*value));
    context_.spend_value(given.named.back().second);
  }
  return given;
}

// Calls, filters and tests: the first part applied to the others.
TemplateValue Interpreter::evaluate_applied(const TemplateExpression& node) {
  const TemplateValue subject = evaluate(*node.parts[0]);
  const TemplateArguments given = arguments(node);
  context_.at(node.line);
  context_.spend_value(subject);
  if (node.kind == ExpressionKind::kFilter) {
    const TemplateFilter filter = find_filter(node.name);
    if (filter == nullptr) {
      context_.unsupported(fmt::format("no filter named '{}'", node.name));
    }
    return filter(context_, subject, given);
  }
  if (node.kind == ExpressionKind::kTest) {
    const TemplateTest test = find_test(node.name);
    if (test == nullptr) {
      context_.unsupported(fmt::format("no test named '{}'", node.name));
    }
    return TemplateValue::boolean(test(context_, subject, given));
  }
  return call_value(context_, subject, given);
}

}  // namespace peft
