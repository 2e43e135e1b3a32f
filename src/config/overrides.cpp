#include "peft/config/overrides.h"

#include "peft/util/text.h"

namespace peft {

Override parse_override(const std::string& text) {
  const size_t equals = text.find('=');
  check<UsageError>(equals != std::string::npos && equals > 0,
                    "{}: expected KEY=VALUE, as in training.seed=7", escaped(text));
  const std::string value = text.substr(equals + 1);
  check<UsageError>(is_utf8(text), "{}: expected UTF-8", escaped(text));
  std::optional<JsonFault> fault;
  Json parsed = parse_json(value, {}, &fault);
  return {text.substr(0, equals), fault ? Json(value) : std::move(parsed)};
}

}  // namespace peft
