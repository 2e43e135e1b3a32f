#include "peft/commands/run_adapter.h"

#include "peft/config/method_sizes.h"
#include "peft/config/model_sizes.h"
#include "peft/methods/effective_scale.h"
#include "peft/methods/registry.h"
#include "peft/methods/targets.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"

namespace peft {
namespace {

/// The stored adapter with the section's values in its config: those that may change without
/// changing a shape; with others the load fails.
std::unique_ptr<Adapter> going_on(const Json& section, CausalLM& model, PickledWeights pickled) {
  StoredAdapter stored = read_adapter(section.at("path").get<std::string>(), pickled);
  for (const auto& [key, value] : section.items()) {
    if (stored.config.contains(key)) {
      stored.config[key] = value;
    }
  }
  log_info("going on from the adapter in {}", stored.path.string());
  return load_adapter(model, stored);
}

void check_every_target(const Json& section, const CausalLM& model) {
  const std::vector<std::string> unmatched =
      unmatched_names(model, section.value("target_modules", Json()));
  check<UsageError>(unmatched.empty(),
                    "adapter.target_modules: {} match{} no module of {}; leave {} out",
                    fmt::join(unmatched, ", "), unmatched.size() == 1 ? "es" : "",
                    model.shape().architecture, unmatched.size() == 1 ? "it" : "them");
}

/// The count of the method's formula, which knows the config and the base's headers alone.
void check_count(const Adapter& adapter, const Json& section, const HfDirectory& base) {
  const Method& method = *find_method(section.at("peft_type").get<std::string>());
  const int64_t expected = method_sizes(method, section, model_sizes(base)).trainable;
  int64_t found = 0;
  for (const auto& [name, tensor] : adapter.trainable()) {
    found += tensor.numel();
  }
  check<IntegrityError>(found == expected,
                        "adapter: expected {} numbers to train by the config, found {}", expected,
                        found);
}

}  // namespace

std::unique_ptr<Adapter> make_adapter(const Json& config, const HfDirectory& base, CausalLM& model,
                                      const TextSide& text) {
  Json section = config.at("adapter");
  if (section.contains("path") && section.at("path").is_string()) {
    return going_on(section, model, pickles_of(config.at("model")));
  }
  if (section.value("prompt_tuning_init", Json()) == "TEXT") {
    const Json& start = section.at("prompt_tuning_init_text");
    check<UsageError>(
        start.is_string() && !start.get<std::string>().empty(),
        "adapter.prompt_tuning_init_text: expected a text for the start TEXT, found {}",
        json_excerpt(start));
    section["prompt_tuning_init_ids"] =
        text.tokenizer().encode(start.get<std::string>(), /*add_special_tokens=*/true).ids;
  }
  std::unique_ptr<Adapter> adapter =
      attach_adapter(model, section, config.at("training").at("seed").get<uint64_t>());
  check_count(*adapter, section, base);
  check_every_target(section, model);  // after it: one that finds nothing at all says more
  check_scales(*adapter, section, adapter->trainable(), "adapter");
  return adapter;
}

void save_chat_template(const TextSide& text, const DataReport& data,
                        const std::filesystem::path& folder) {
  const ChatTemplate* const chat = text.pipeline().chat_template;
  const bool was_used =
      data.format == "chat" || data.format == "instruct" || data.format == "mixed";
  if (chat != nullptr && was_used) {
    write_file(folder / kChatTemplateFile, chat->source());
  }
}

}  // namespace peft
