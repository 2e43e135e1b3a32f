#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/template/ast.h"
#include "peft/template/context.h"

namespace peft {

/// Variables of one block and, through `parent`, of those around it.
struct TemplateScope {
  std::shared_ptr<TemplateScope> parent;
  std::vector<std::pair<std::string, TemplateValue>> variables;

  /// Null when neither this scope nor one around it has the name.
  const TemplateValue* find(std::string_view name) const;
  void set(const std::string& name, TemplateValue value);
};

/// Puts a scope below the current one while it lives.
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

/// Runs the statements of one template once.
class Interpreter {
 public:
  explicit Interpreter(TemplateContext& context) : context_(context) {}

  /// The output for these variables.
  std::string run(const StatementList& statements,
                  const std::vector<std::pair<std::string, TemplateValue>>& variables);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // execute.cpp
  Flow execute(const StatementList& statements);
  Flow execute(const TemplateStatement& statement);
  Flow execute_if(const TemplateStatement& statement);
  Flow execute_for(const TemplateStatement& statement);
  void execute_with(const TemplateStatement& statement);
  void execute_call(const TemplateStatement& statement);
  void emit(std::string_view text);
  std::string capture(const StatementList& body);
  std::string filtered(const ExpressionPtr& filters, std::string text);
  void assign(const TemplateExpression& target, const TemplateValue& value);

  // macros.cpp
  TemplateValue macro(const TemplateStatement& statement, std::string name);
  TemplateValue call_macro(const TemplateStatement& statement, const std::string& name,
                           std::shared_ptr<TemplateScope> scope,
                           const TemplateArguments& arguments);
  void bind_parameters(const TemplateStatement& statement, const std::string& name,
                       const TemplateArguments& arguments);
  void bind_surplus(const MacroSignature& signature, const std::string& name,
                    const TemplateArguments& arguments,
                    std::vector<std::pair<std::string, TemplateValue>> named);

  // evaluate.cpp
  TemplateValue evaluate(const TemplateExpression& node);
  TemplateValue evaluate_name(const TemplateExpression& node);
  TemplateValue evaluate_items(const TemplateExpression& node, SequenceKind kind);
  TemplateValue evaluate_dict(const TemplateExpression& node);
  TemplateValue evaluate_slice(const TemplateExpression& node);
  TemplateValue evaluate_compare(const TemplateExpression& node);
  TemplateValue evaluate_concatenation(const TemplateExpression& node);
  TemplateValue evaluate_conditional(const TemplateExpression& node);
  TemplateValue evaluate_applied(const TemplateExpression& node);
  TemplateArguments arguments(const TemplateExpression& node);
  bool holds(const TemplateExpression& node);

  TemplateContext& context_;
  std::shared_ptr<TemplateScope> scope_;
  std::string* output_ = nullptr;
  TemplateValue captured_;
};

}  // namespace peft
