#pragma once

#include <memory>
#include <optional>
#include <string>

#include "peft/data/dataset.h"
#include "peft/data/stop_tokens.h"
#include "peft/io/hf_directory.h"
#include "peft/methods/adapter_io.h"
#include "peft/models/load.h"
#include "peft/tokenizer/chat_template.h"
#include "peft/tokenizer/tokenizer.h"

namespace peft {

/// A model folder's text side: tokenizer, chat template, stop tokens. A folder without tokenizer
/// files serves data of ids; asking for text is then a ModelError.
class TextSide {
 public:
  TextSide(const HfDirectory& directory, const std::string& chat_template);

  TextPipeline pipeline() const {
    return {*tokenizer_, chat_template_ ? &*chat_template_ : nullptr, stop_ids_, tokenizer_hash_};
  }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// What ends an answer: the model's eos tokens and the token that its template ends a turn with.
  std::vector<int32_t> stop_ids() const { return stop_set(pipeline()); }

  /// Ids of a conversation up to where the assistant speaks. `messages`: a list, or an object with
  /// "messages" and "tools". Throws DataError when the model has no chat template.
  std::vector<int32_t> chat_prompt(const Json& messages) const;

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  std::vector<int32_t> stop_ids_;
  std::string tokenizer_hash_;
};

/// A base on a device, and the adapter that a command was given, not yet attached.
struct OpenModel {
  HfDirectory directory;
  at::Device device;
  std::optional<StoredAdapter> stored;
  std::unique_ptr<CausalLM> model;
  std::unique_ptr<Adapter> adapter;  // destroyed before the model

  /// Reads the model; `dtype` as in a run file.
  void load(const std::string& dtype);
  /// Puts the stored adapter on the model, if there is one.
  void attach();
};

/// The base folder of a request: its "model", or what the adapter's config recorded. Throws
/// UsageError or ModelError when there is none.
std::filesystem::path base_folder(const Json& request, const std::optional<StoredAdapter>& stored);

/// Gives the base the classification head that a stored adapter trained, if it did and the base has
/// none of its own: as many classes as its tensors have rows, under the names beside them. Throws
/// ModelError.
void take_class_head(HfDirectory& base, const StoredAdapter& stored);

/// Whether a request's "allow_pickle" lets weights be pickled, of the base and of adapters.
PickledWeights pickles_of(const Json& request);

/// The base folder, opened, with a stored adapter's head.
HfDirectory base_directory(const Json& request, const std::optional<StoredAdapter>& stored);

/// Opens what "model", "adapter", "device" and "threads" of a request name, headers only. An
/// adapter without "model" says its base itself. Throws UsageError or ModelError.
OpenModel open_base(const Json& request);
/// The same and the model, in the request's "dtype".
OpenModel open_model(const Json& request);

/// The chat template in an adapter's folder: the one that it was trained with.
inline constexpr const char* kChatTemplateFile = "chat_template.jinja";

/// The text side that a request's "chat_template" means. Left at "tokenizer", an adapter that was
/// trained with a template of its own is used with that one.
TextSide text_side(const OpenModel& open, const Json& request);

/// Throws DataError for a row with an id outside the model's vocabulary (data of ids, or a
/// tokenizer that is not the model's).
void check_ids(const Dataset& data, int64_t vocabulary);

}  // namespace peft
