#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// A checkpoint's own chat template, rendered byte for byte as Hugging Face's apply_chat_template
/// (trim_blocks and lstrip_blocks on, special tokens as variables).
class ChatTemplate {
 public:
  /// Parses a template. Throws ModelError with the line of the fault.
  ChatTemplate(std::string source, const SpecialTokens& special);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// `messages` is a list of {"role", "content", ...}; `tools` a list or null. Throws DataError
  /// with the template's own message for raise_exception, ModelError for what we do not support.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt) const;

  const std::string& source() const { return source_; }

 private:
  struct Parsed;
  std::string source_;
  std::unique_ptr<Parsed> parsed_;
};

/// The template text of a model folder: chat_template.jinja, else tokenizer_config.json's
/// "chat_template" (a string, or the entry "default" of a list). Absent when there is none.
std::optional<std::string> find_chat_template(const std::filesystem::path& model_directory);

/// What `data.chat_template` names: "tokenizer" (the folder's own; absent if it has none),
/// "chatml", or a file.
std::optional<ChatTemplate> load_chat_template(const std::string& choice,
                                               const std::filesystem::path& model_directory,
                                               const SpecialTokens& special);

}  // namespace peft
