#include "peft/commands/open_model.h"

#include <algorithm>

#include "peft/commands/engine_start.h"
#include "peft/config/model_family.h"
#include "peft/config/run_task.h"

namespace peft {
namespace {

std::string text_or(const Json& request, const char* key, const std::string& otherwise) {
  const auto found = request.find(key);
  return found != request.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

}  // namespace

TextSide::TextSide(const HfDirectory& directory, const std::string& chat_template)
    : tokenizer_(load_tokenizer_if_any(directory.path())),
      chat_template_(load_chat_template(chat_template, directory.path(), tokenizer_->special())),
      stop_ids_(directory.eos_token_ids()),
      tokenizer_hash_(tokenizer_hash(directory.path())) {
  const auto eos = tokenizer_->special().eos;
  if (eos && std::find(stop_ids_.begin(), stop_ids_.end(), *eos) == stop_ids_.end()) {
    stop_ids_.push_back(*eos);
  }
}

std::vector<int32_t> TextSide::chat_prompt(const Json& messages) const {
  check<DataError>(chat_template_.has_value(),
                   "the model has no chat template; give --prompt, or --chat-template chatml");
  const bool wrapped = messages.is_object();
  check<DataError>(!wrapped || messages.contains("messages"),
                   "messages: expected a list, or an object with \"messages\"");
  const Json& list = wrapped ? messages.at("messages") : messages;
  const Json tools = wrapped && messages.contains("tools") ? messages.at("tools") : Json();
  const std::string text = chat_template_->render(list, tools, /*add_generation_prompt=*/true);
  return tokenizer_->encode(text, /*add_special_tokens=*/false).ids;
}

void OpenModel::load(const std::string& dtype) {
  model = load_model(directory, compute_dtype(dtype, directory, device), device);
}

void OpenModel::attach() {
  if (stored) {
    adapter = load_adapter(*model, *stored);
  }
}

std::filesystem::path base_folder(const Json& request, const std::optional<StoredAdapter>& stored) {
  const std::string given = text_or(request, "model", "");
  if (!given.empty()) {
    return given;
  }
  check<UsageError>(stored.has_value(), "--model is missing; give a model folder or --adapter");
  const std::string recorded = text_or(stored->config, "base_model_name_or_path", "");
  check<ModelError>(!recorded.empty() && std::filesystem::is_directory(recorded),
                    "{}: its base \"{}\" is not here; give --model DIR", stored->path.string(),
                    recorded);
  return recorded;
}

void take_class_head(HfDirectory& base, const StoredAdapter& stored) {
  if (!is_for_classifier(stored.config) || !class_labels(base.config()).empty()) {
    return;
  }
  int64_t classes = 0;
  for (const auto& [name, tensor] : stored.tensors) {
    const bool is_head = name.ends_with("score.weight") || name.ends_with("classifier.weight") ||
                         name.ends_with("classifier.out_proj.weight");
    classes = is_head && tensor.dim() == 2 ? tensor.size(0) : classes;
  }
  check<ModelError>(classes > 0 && classes <= kMostClasses,
                    "{}: task_type SEQ_CLS: expected a classification head of 1 to {} rows in the "
                    "file, found {}",
                    stored.path.string(), kMostClasses, classes);
  std::vector<std::string> labels = stored_labels(stored.path);
  for (int64_t i = static_cast<int64_t>(labels.size()); i < classes; ++i) {
    labels.push_back(std::to_string(i));
  }
  labels.resize(static_cast<size_t>(classes));
  give_class_head(base, classes, labels);
}

PickledWeights pickles_of(const Json& request) {
  return pickled_weights(request.value("allow_pickle", false));
}

HfDirectory base_directory(const Json& request, const std::optional<StoredAdapter>& stored) {
  HfDirectory base(base_folder(request, stored), pickles_of(request));
  if (stored) {
    take_class_head(base, *stored);
  }
  return base;
}

OpenModel open_base(const Json& request) {
  const at::Device device =
      start_engine(text_or(request, "device", "auto"), request.value("threads", int64_t{0}));
  std::optional<StoredAdapter> stored;
  const std::string adapter = text_or(request, "adapter", "");
  if (!adapter.empty()) {
    stored = read_adapter(adapter, pickles_of(request));
  }
  HfDirectory directory = base_directory(request, stored);
  return {std::move(directory), device, std::move(stored), nullptr, nullptr};
}

OpenModel open_model(const Json& request) {
  OpenModel open = open_base(request);
  open.load(text_or(request, "dtype", "auto"));
  return open;
}

TextSide text_side(const OpenModel& open, const Json& request) {
  const std::string choice = text_or(request, "chat_template", "tokenizer");
  const std::filesystem::path own =
      open.stored ? open.stored->path / kChatTemplateFile : std::filesystem::path();
  const bool takes_own = choice == "tokenizer" && open.stored && std::filesystem::exists(own);
  return {open.directory, takes_own ? own.string() : choice};
}

void check_ids(const Dataset& data, int64_t vocabulary) {
  data.walk([&](const Example& example) {
    for (const int32_t id : example.ids) {
      check<DataError>(
          id >= 0 && id < vocabulary, "{}:{}: the id {} is outside the model's vocabulary of {}",
          data.files.at(static_cast<size_t>(example.file)).string(), example.line, id, vocabulary);
    }
  });
}

}  // namespace peft
