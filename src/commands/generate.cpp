#include <chrono>
#include <cstdio>
#include <fstream>

#include "peft/commands/commands.h"
#include "peft/commands/open_model.h"
#include "peft/evaluation/generator.h"

namespace peft {
namespace {

/// One prompt of a jsonl row: {"prompt": text} or {"messages": [...]}.
std::vector<int32_t> prompt_of_row(const Json& row, const std::string& where, const TextSide& text,
                                   bool add_special) {
  if (row.is_object() && row.contains("messages")) {
    return text.chat_prompt(row);
  }
  check<DataError>(row.is_object() && row.contains("prompt") && row.at("prompt").is_string(),
                   "{}: expected \"prompt\" or \"messages\", found {}", where, json_excerpt(row));
  return text.tokenizer().encode(row.at("prompt").get<std::string>(), add_special).ids;
}

std::vector<std::vector<int32_t>> read_prompts(const Json& request, const TextSide& text) {
  const bool add_special = request.value("add_special", true);
  if (request.at("prompt").is_string()) {
    return {text.tokenizer().encode(request.at("prompt").get<std::string>(), add_special).ids};
  }
  if (!request.at("messages").is_null()) {
    return {text.chat_prompt(request.at("messages"))};
  }
  const std::string file = request.at("input").get<std::string>();
  std::ifstream stream(file);
  check<DataError>(stream.good(), "{}: cannot be read", file);
  std::vector<std::vector<int32_t>> prompts;
  std::string line;
  for (int64_t number = 1; std::getline(stream, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    const std::string where = fmt::format("{}:{}", file, number);
    prompts.push_back(prompt_of_row(parse_json<DataError>(line, where), where, text, add_special));
  }
  check<DataError>(!prompts.empty(), "{}: no prompts", file);
  return prompts;
}

/// Prints text as it grows, holding back bytes that do not form a character yet.
class Stream {
 public:
  explicit Stream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void add(int32_t id) {
    ids_.push_back(id);
    const std::string text = tokenizer_.decode(ids_, /*skip_special_tokens=*/true);
    if (!text.ends_with("\xEF\xBF\xBD") && text.size() > printed_) {
      print(text);
    }
  }
  void finish() {
    print(tokenizer_.decode(ids_, /*skip_special_tokens=*/true));
    std::fputc('\n', stdout);
  }

 private:
  void print(const std::string& text) {
    std::fwrite(text.data() + printed_, 1, text.size() - printed_, stdout);
    std::fflush(stdout);
    printed_ = text.size();
  }
  const Tokenizer& tokenizer_;
  std::vector<int32_t> ids_;
  size_t printed_ = 0;
};

Json result_json(const Generated& result, size_t prompt_tokens, double seconds,
                 const Tokenizer& tokenizer) {
  return {{"text", tokenizer.decode(result.ids, /*skip_special_tokens=*/true)},
          {"ids", result.ids},
          {"prompt_tokens", prompt_tokens},
          {"new_tokens", result.ids.size()},
          {"stop", result.stop},
          {"seconds", seconds}};
}

/// Answers of one adapter, of the base, or of several adapters together.
class Answers {
 public:
  Answers(const Json& request, OpenModel& open, const TextSide& text)
      : request_(request),
        open_(open),
        text_(text),
        prompts_(read_prompts(request, text)),
        options_{request.at("max_new_tokens").get<int64_t>(),
                 request.at("temperature").get<double>(), request.at("top_p").get<double>(),
                 request.at("seed").get<uint64_t>(), text.stop_ids()} {}

  bool is_single() const { return prompts_.size() == 1; }

  Json of_the_model(const TokenSink& sink) const {
    return timed([&] { return generate(*open_.model, prompts_, options_, open_.device, sink); });
  }

  Json together(const std::vector<Adapter*>& adapters) const {
    const Ensemble ensemble = request_.at("ensemble") == "vote" ? Ensemble::kVote : Ensemble::kMean;
    return timed([&] {
      return generate_together(*open_.model, adapters, ensemble, prompts_, options_, open_.device);
    });
  }

 private:
  Json timed(const std::function<std::vector<Generated>()>& work) const {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Generated> generated = work();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Json results = Json::array();
    for (size_t i = 0; i < generated.size(); ++i) {
      results.push_back(result_json(generated[i], prompts_[i].size(), seconds, text_.tokenizer()));
    }
    return results;
  }

  const Json& request_;
  OpenModel& open_;
  const TextSide& text_;
  std::vector<std::vector<int32_t>> prompts_;
  GenerateOptions options_;
};

void print_answers(const Json& results, bool json, bool list) {
  if (json) {
    fmt::print("{}\n", (list ? results : results.at(0)).dump(2));
    return;
  }
  for (const Json& result : results) {
    fmt::print("{}\n", result.at("text").get<std::string>());
  }
}

/// Every adapter's answers side by side, or those of all together.
void answer_with_several(const Json& request, const Answers& answers, OpenModel& open) {
  std::vector<std::unique_ptr<Adapter>> adapters;
  std::vector<Adapter*> voices;
  Json results = Json::object();
  const bool together = request.at("ensemble").is_string();
  for (const Json& folder : request.at("adapters")) {
    const std::string name = folder.get<std::string>();
    adapters.push_back(load_adapter(*open.model, read_adapter(name, pickles_of(request))));
    voices.push_back(adapters.back().get());
    if (!together) {
      results[name] = answers.of_the_model({});
    }
    adapters.back()->suspend();
  }
  const bool json = request.at("json").get<bool>();
  if (together) {
    print_answers(answers.together(voices), json, request.at("input").is_string());
  } else if (json) {
    fmt::print("{}\n", results.dump(2));
  } else {
    for (const auto& [name, list] : results.items()) {
      fmt::print("== {}\n", name);
      print_answers(list, json, /*list=*/true);
    }
  }
}

}  // namespace

void run_generate(const Json& request) {
  OpenModel open = open_model(request);
  check<UsageError>(open.model->shape().classes() == 0,
                    "{} classifies rows and generates no text; see `peft eval`",
                    open.model->shape().architecture);
  const TextSide text = text_side(open, request);
  const Answers answers(request, open, text);
  if (request.at("adapters").size() > 1) {
    answer_with_several(request, answers, open);
    return;
  }
  open.attach();
  const bool json = request.at("json").get<bool>();
  if (request.at("stream").get<bool>() && !json && answers.is_single()) {
    Stream printer(text.tokenizer());
    answers.of_the_model([&](size_t, int32_t id) { printer.add(id); });
    printer.finish();
    return;
  }
  print_answers(answers.of_the_model({}), json, request.at("input").is_string());
}

}  // namespace peft
