#include "peft/template/renderer.h"

#include "peft/template/interpreter.h"
#include "peft/template/parser.h"

namespace peft {

JinjaTemplate::JinjaTemplate(std::string_view source) : statements_(parse_template(source)) {}

std::string JinjaTemplate::render(
    const std::vector<std::pair<std::string, TemplateValue>>& variables,
    const TemplateLimits& limits) const {
  TemplateContext context(limits);
  return Interpreter(context).run(statements_, variables);
}

}  // namespace peft
