#include <fmt/format.h>

#include <algorithm>

#include "peft/template/builtins.h"
#include "peft/template/interpreter.h"
#include "peft/template/operations.h"

namespace peft {
std::string Interpreter::run(const StatementList& statements,
                             const std::vector<std::pair<std::string, TemplateValue>>& variables) {
  scope_ = std::make_shared<TemplateScope>();
  scope_->variables = template_globals();
  const ScopeGuard given(scope_);
  scope_->variables = variables;
  const ScopeGuard set_here(scope_);
  std::string output;
  output_ = &output;
  execute(statements);
  return output;
}

Interpreter::Flow Interpreter::execute(const StatementList& statements) {
  const auto nesting = context_.enter_node();
  for (const auto& statement : statements) {
    if (const Flow flow = execute(*statement); flow != Flow::kNext) {
      return flow;
    }
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const TemplateStatement& statement) {
  context_.at(statement.line);
  context_.spend(1);
  switch (statement.kind) {
    case StatementKind::kText:
      emit(statement.text);
      break;
    case StatementKind::kOutput:
      emit(to_text(context_, evaluate(*statement.expression)));
      break;
    case StatementKind::kIf:
      return execute_if(statement);
    case StatementKind::kFor:
      return execute_for(statement);
    case StatementKind::kSet:
      assign(*statement.target, evaluate(*statement.expression));
      break;
    case StatementKind::kSetBlock:
      assign(*statement.target,
             context_.text(filtered(statement.expression, capture(statement.body))));
      break;
    case StatementKind::kMacro:
      scope_->set(statement.text, macro(statement, statement.text));
      break;
    case StatementKind::kCall:
      execute_call(statement);
      break;
    case StatementKind::kFilterBlock:
      emit(filtered(statement.expression, capture(statement.body)));
      break;
    case StatementKind::kWith:
      execute_with(statement);
      break;
    case StatementKind::kGeneration:
      emit(capture(statement.body));
      break;
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::emit(std::string_view text) {
  context_.expect_text(text.size());
  context_.check_text(output_->size() + text.size());
  output_->append(text);
}

// What a body prints, in a scope of its own.
std::string Interpreter::capture(const StatementList& body) {
  const ScopeGuard scope(scope_);
  std::string text;
  std::string* const before = std::exchange(output_, &text);
  execute(body);
  output_ = before;
  return text;
}

std::string Interpreter::filtered(const ExpressionPtr& filters, std::string text) {
  if (!filters) {
    return text;
  }
  const TemplateValue before = std::exchange(captured_, context_.text(std::move(text)));
  const TemplateValue result = evaluate(*filters);
  captured_ = before;
  return to_text(context_, result);
}

Interpreter::Flow Interpreter::execute_if(const TemplateStatement& statement) {
  for (const TemplateBranch& branch : statement.branches) {
    if (!branch.condition || holds(*branch.condition)) {
      return execute(branch.body);
    }
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_for(const TemplateStatement& statement) {
  auto items = std::make_shared<std::vector<TemplateValue>>(
      iterate(context_, evaluate(*statement.expression)));
  const ScopeGuard scope(scope_);
  const auto passes = [&](const TemplateValue& item) {
    scope_->variables.clear();
    assign(*statement.target, item);
    return !statement.condition || holds(*statement.condition);
  };
  TemplateValue::Loop loop;
  if (statement.uses_loop) {
    // `loop` counts what the condition lets through, so it is asked for all items first.
    if (statement.condition) {
      std::erase_if(*items, [&](const TemplateValue& item) { return !passes(item); });
    }
    loop = std::make_shared<TemplateLoop>(TemplateLoop{items, 0, nullptr});
  }
  bool completed = false;  // Jinja runs `else` unless some pass reached the end of the body
  for (const TemplateValue& item : *items) {
    context_.spend(1);
    if (statement.uses_loop) {
      scope_->variables.clear();
      assign(*statement.target, item);
      scope_->set("loop", TemplateValue::of(loop));
    } else if (!passes(item)) {
      continue;
    }
    const Flow flow = execute(statement.body);
    completed = completed || flow == Flow::kNext;
    if (flow == Flow::kBreak) {
      break;
    }
    if (loop) {
      ++loop->index0;
    }
  }
  if (completed || statement.otherwise.empty()) {
    return Flow::kNext;
  }
  scope_->variables.clear();
  return execute(statement.otherwise);
}

void Interpreter::execute_with(const TemplateStatement& statement) {
  std::vector<TemplateValue> values;
  for (const ExpressionPtr& value : statement.with_values) {
    values.push_back(evaluate(*value));
  }
  const ScopeGuard scope(scope_);
  for (size_t i = 0; i < values.size(); ++i) {
    assign(*statement.with_targets[i], values[i]);
  }
  execute(statement.body);
}

void Interpreter::execute_call(const TemplateStatement& statement) {
  const TemplateValue callee = evaluate(*statement.expression->parts[0]);
  TemplateArguments given = arguments(*statement.expression);
  given.named.emplace_back("caller", macro(statement, "caller"));
  emit(to_text(context_, call_value(context_, callee, given)));
}

void Interpreter::assign(const TemplateExpression& target, const TemplateValue& value) {
  if (target.kind == ExpressionKind::kName) {
    scope_->set(target.name, value);
    return;
  }
  if (target.kind == ExpressionKind::kAttribute) {
    const TemplateValue owner = evaluate(*target.parts[0]);
    if (!owner.is_namespace()) {
      context_.unsupported("cannot assign attribute on non-namespace object");
    }
    if (target.name.starts_with('_')) {
      context_.unsupported(fmt::format("a namespace cannot store \"{}\"", target.name));
    }
    owner.name_space()->attributes.set(TemplateValue::text(target.name), value);
    return;
  }
  const std::vector<TemplateValue> items = iterate(context_, value);
  if (items.size() != target.parts.size()) {
    context_.refuse(
        fmt::format("expected {} values to unpack, found {}", target.parts.size(), items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    assign(*target.parts[i], items[i]);
  }
}

}  // namespace peft
