#include <fmt/format.h>

#include <algorithm>

#include "peft/template/builtins.h"
#include "peft/template/interpreter.h"
#include "peft/template/operations.h"

namespace peft {
namespace {

// Puts a scope below the current one while it lives.
class ScopeGuard {
 public:
  ScopeGuard(std::shared_ptr<TemplateScope>& current, std::shared_ptr<TemplateScope> parent)
      : current_(current), before_(current) {
    auto scope = std::make_shared<TemplateScope>();
    scope->parent = std::move(parent);
    current_ = std::move(scope);
  }
  explicit ScopeGuard(std::shared_ptr<TemplateScope>& current) : ScopeGuard(current, current) {}
  ~ScopeGuard() { current_ = before_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  std::shared_ptr<TemplateScope>& current_;
  std::shared_ptr<TemplateScope> before_;
};

}  // namespace

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
  if (output_->size() + text.size() > context_.limits().text_bytes) {
    context_.expect_text(output_->size() + text.size());
  }
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

// A macro holds its scope weakly: the scope holds the macro.
TemplateValue Interpreter::macro(const TemplateStatement& statement, std::string name) {
  const std::weak_ptr<TemplateScope> defined_in = scope_;
  auto call = [this, &statement, name, defined_in](TemplateContext& context,
                                                   const TemplateArguments& given) {
    auto scope = defined_in.lock();
    if (!scope) {
      context.unsupported(fmt::format("macro '{}' is called outside the block it stands in", name));
    }
    return call_macro(statement, name, std::move(scope), given);
  };
  return TemplateValue::callable({std::move(name), std::move(call)});
}

TemplateValue Interpreter::call_macro(const TemplateStatement& statement, const std::string& name,
                                      std::shared_ptr<TemplateScope> scope,
                                      const TemplateArguments& given) {
  const auto nesting = context_.enter_macro();
  const ScopeGuard inner(scope_, std::move(scope));
  bind_parameters(statement, name, given);
  return context_.text(capture(statement.body));
}

void Interpreter::bind_parameters(const TemplateStatement& statement, const std::string& name,
                                  const TemplateArguments& given) {
  const MacroSignature& signature = statement.signature;
  auto named = given.named;
  const size_t required = signature.parameters.size() - signature.defaults.size();
  for (size_t i = 0; i < signature.parameters.size(); ++i) {
    const std::string& parameter = signature.parameters[i];
    const auto found = std::find_if(named.begin(), named.end(),
                                    [&](const auto& entry) { return entry.first == parameter; });
    if (i < given.positional.size()) {
      scope_->set(parameter, given.positional[i]);
    } else if (found != named.end()) {
      scope_->set(parameter, found->second);
      named.erase(found);
    } else if (i >= required) {
      scope_->set(parameter, evaluate(*signature.defaults[i - required]));
    } else {
      scope_->set(parameter, TemplateValue::undefined(
                                 fmt::format("parameter '{}' was not provided", parameter)));
    }
  }
  bind_surplus(signature, name, given, std::move(named));
}

// What no parameter took: `caller`, `kwargs` and `varargs`, for macros that read them.
void Interpreter::bind_surplus(const MacroSignature& signature, const std::string& name,
                               const TemplateArguments& given,
                               std::vector<std::pair<std::string, TemplateValue>> named) {
  if (signature.uses_caller) {
    const auto found = std::find_if(named.begin(), named.end(),
                                    [](const auto& entry) { return entry.first == "caller"; });
    if (found == named.end()) {
      scope_->set("caller", TemplateValue::undefined("No caller defined"));
    } else {
      scope_->set("caller", found->second);
      named.erase(found);
    }
  }
  const size_t count = signature.parameters.size();
  if (signature.uses_kwargs) {
    TemplateDict rest;
    for (auto& [key, value] : named) {
      rest.set(TemplateValue::text(key), std::move(value));
    }
    scope_->set("kwargs", context_.dict(std::move(rest)));
  } else if (!named.empty()) {
    context_.unsupported(
        fmt::format("macro '{}' takes no keyword argument '{}'", name, named.front().first));
  }
  if (signature.uses_varargs) {
    const auto begin = given.positional.begin() +
                       static_cast<std::ptrdiff_t>(std::min(count, given.positional.size()));
    scope_->set("varargs",
                context_.sequence(SequenceKind::kTuple, {begin, given.positional.end()}));
  } else if (given.positional.size() > count) {
    context_.unsupported(fmt::format("macro '{}' takes not more than {} argument(s)", name, count));
  }
}

}  // namespace peft
