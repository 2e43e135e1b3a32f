#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/template/renderer.h"

namespace peft {

using TemplateVariables = std::vector<std::pair<std::string, TemplateValue>>;

/// What a template prints.
inline std::string rendered(std::string_view source, const TemplateVariables& variables = {},
                            const TemplateLimits& limits = {}) {
  return JinjaTemplate(source).render(variables, limits);
}

/// The text of the E that reading or rendering a template throws; empty if it throws none.
template <class E>
std::string refusal(std::string_view source, const TemplateVariables& variables = {},
                    const TemplateLimits& limits = {}) {
  try {
    rendered(source, variables, limits);
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace peft
