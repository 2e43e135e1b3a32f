#include "peft/commands/run_identity.h"

#include "peft/io/fingerprint.h"
#include "peft/util/sha256.h"

namespace peft {
namespace {

template <class T>
void add(Sha256& hash, const PerToken<T>& numbers) {
  const uint64_t count = numbers.size();
  hash.update(std::as_bytes(std::span(&count, 1)));
  hash.update(std::as_bytes(std::span<const T>(numbers)));
}

void add(Sha256& hash, const Example& example) {
  add(hash, example.ids);
  add(hash, example.labels);
  if (!example.weights.empty()) {
    add(hash, example.weights);
  }
  hash.update(std::as_bytes(std::span(&example.file, 1)));
  hash.update(std::as_bytes(std::span(&example.label, 1)));
  hash.update(std::as_bytes(std::span(&example.score, 1)));
  hash.update(std::as_bytes(std::span(&example.second_type, 1)));
}

/// Of what is trained on, token by token, whatever files it came from.
std::string data_hash(const Dataset& train, const std::vector<Example>& held_out) {
  Sha256 hash;
  train.walk([&](const Example& example) { add(hash, example); });
  for (const Example& example : held_out) {
    add(hash, example);
  }
  for (const std::string& label : train.label_names) {
    hash.update(std::as_bytes(std::span(label)));
  }
  hash.update(std::as_bytes(std::span(train.weights)));
  return hash.finish();
}

}  // namespace

RunIdentity run_identity(const Json& config, const std::string& version,
                         const std::string& base_hash, const HfDirectory& directory,
                         const TextSide& text, const Dataset& train,
                         const std::vector<Example>& held_out) {
  const ChatTemplate* const chat = text.pipeline().chat_template;
  return {.tool = "peft " + version,
          .base = config.at("model").at("name_or_path").get<std::string>(),
          .hashes = {{"base", base_hash},
                     {"base_fingerprint", fingerprint(directory)},
                     {"tokenizer", tokenizer_hash(directory.path())},
                     {"chat_template", sha256(chat == nullptr ? "" : chat->source())},
                     {"data", data_hash(train, held_out)}},
          .config = effective_config(config)};
}

}  // namespace peft
