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

}  // namespace

void run_generate(const Json& request) {
  OpenModel open = open_model(request);
  open.attach();
  const TextSide text(open.directory, request.value("chat_template", std::string("tokenizer")));
  const auto prompts = read_prompts(request, text);
  const GenerateOptions options{
      request.at("max_new_tokens").get<int64_t>(), request.at("temperature").get<double>(),
      request.at("top_p").get<double>(), request.at("seed").get<uint64_t>(), text.stop_ids()};
  const bool json = request.at("json").get<bool>();
  const bool stream = request.at("stream").get<bool>() && !json && prompts.size() == 1;
  Stream printer(text.tokenizer());
  const TokenSink sink = [&](size_t, int32_t id) { printer.add(id); };

  const auto start = std::chrono::steady_clock::now();
  const std::vector<Generated> generated =
      generate(*open.model, prompts, options, open.device, stream ? sink : TokenSink());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Json results = Json::array();
  for (size_t i = 0; i < generated.size(); ++i) {
    results.push_back(result_json(generated[i], prompts[i].size(), seconds, text.tokenizer()));
  }
  if (json) {
    const bool list = request.at("input").is_string();
    fmt::print("{}\n", (list ? results : results.at(0)).dump(2));
  } else if (stream) {
    printer.finish();
  } else {
    for (const Json& result : results) {
      fmt::print("{}\n", result.at("text").get<std::string>());
    }
  }
}

}  // namespace peft
