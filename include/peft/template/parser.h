#pragma once

#include <string_view>

#include "peft/template/ast.h"

namespace peft {

/// The statements of a Jinja template. Throws ModelError with the line for bad syntax, for tags we
/// do not know, and for nesting deeper than 64.
StatementList parse_template(std::string_view source);

}  // namespace peft
