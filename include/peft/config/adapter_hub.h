#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

/// True for an adapter_config.json of AdapterHub: another schema under the same name.
bool is_hub_config(const Json& saved);

/// The same adapter as a flat config with a peft_type of HOULSBY, PFEIFFER or PARALLEL. Throws
/// ModelError for another placement.
Json from_hub_config(const Json& saved, const std::string& where);

}  // namespace peft
