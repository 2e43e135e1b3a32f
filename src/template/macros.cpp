#include <fmt/format.h>

#include <algorithm>

#include "peft/template/interpreter.h"
#include "peft/template/operations.h"

namespace peft {

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
