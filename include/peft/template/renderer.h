#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/template/ast.h"
#include "peft/template/context.h"

namespace peft {

/// A parsed Jinja template: the subset that chat templates use, with Hugging Face's settings
/// (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox) and functions.
class JinjaTemplate {
 public:
  /// Throws ModelError with the line of a fault of syntax, or of a filter or test we do not know.
  explicit JinjaTemplate(std::string_view source);

  /// The text for these variables. Throws DataError where the template refuses the variables
  /// (raise_exception, a missing member), ModelError where it asks for what we do not support or
  /// exceeds a limit.
  std::string render(const std::vector<std::pair<std::string, TemplateValue>>& variables,
                     const TemplateLimits& limits = {}) const;

 private:
  StatementList statements_;
};

}  // namespace peft
