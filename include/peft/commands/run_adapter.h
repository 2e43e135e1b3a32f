#pragma once

#include <filesystem>
#include <memory>

#include "peft/commands/open_model.h"

namespace peft {

/// The adapter of a resolved config: a fresh one, or the one that its "path" names. Throws
/// UsageError for a target that the model does not have, IntegrityError when another number of
/// parameters trains than the method's formula says, ModelError when the scale at work is not the
/// one that the config says.
std::unique_ptr<Adapter> make_adapter(const Json& config, const HfDirectory& base, CausalLM& model,
                                      const TextSide& text);

/// Leaves the chat template beside the adapter that was trained with it, where `eval`, `generate`
/// and `merge` find it. Data that no template was used for leaves none.
void save_chat_template(const TextSide& text, const DataReport& data,
                        const std::filesystem::path& folder);

}  // namespace peft
