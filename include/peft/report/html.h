#pragma once

#include <string>
#include <string_view>

namespace peft {

/// Text for an element's content or a quoted attribute: markup is escaped, control characters and
/// broken UTF-8 are made visible. Line breaks and tabs stay.
std::string html_text(std::string_view text);

}  // namespace peft
