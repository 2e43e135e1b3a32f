// How fast conversations become text, tokens and masks: prints rows a second for each of the three,
// the best of several rounds, and the number of tokens. Used by scripts/bench_chat.

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "peft/data/chat_mask.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/text.h"

namespace {

double rows_per_second(size_t rows, int rounds, const std::function<void()>& work) {
  double best = 0.0;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(rows) / seconds.count());
  }
  return best;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: peft_chat_throughput FOLDER ROWS.jsonl ROUNDS\n", stderr);
    return 2;
  }
  const auto tokenizer = peft::load_tokenizer(arguments[1]);
  const auto shape = peft::load_chat_template("tokenizer", arguments[1], tokenizer->special());
  const peft::TextPipeline pipeline{*tokenizer, &*shape, {*tokenizer->special().eos}};
  const std::vector<int32_t> stops = peft::stop_set(pipeline);
  std::vector<peft::Json> rows;
  std::vector<peft::Conversation> conversations;
  for (const std::string& line :
       peft::split(peft::read_text<peft::DataError>(arguments[2], size_t{1} << 30), '\n')) {
    if (!line.empty()) {
      rows.push_back(peft::parse_json<peft::DataError>(line, "row"));
      const auto mapping = peft::detect_mapping(rows.back(), {}, "row");
      conversations.push_back(peft::read_conversation(rows.back(), mapping, true, "row"));
    }
  }
  const int rounds = std::stoi(arguments[3]);
  const auto render = [&](const peft::Conversation& conversation) {
    return shape->render(conversation.messages, conversation.tools, false);
  };
  const double rendered = rows_per_second(rows.size(), rounds, [&] {
    for (const peft::Conversation& conversation : conversations) {
      render(conversation);
    }
  });
  size_t tokens = 0;
  const double encoded = rows_per_second(rows.size(), rounds, [&] {
    tokens = 0;
    for (const peft::Conversation& conversation : conversations) {
      tokens += tokenizer->encode(render(conversation), /*add_special_tokens=*/false).ids.size();
    }
  });
  const peft::DataOptions options;
  const double masked = rows_per_second(rows.size(), rounds, [&] {
    for (const peft::Conversation& conversation : conversations) {
      peft::mask_conversation(conversation, options, pipeline, stops, "row");
    }
  });
  std::printf("%.1f %.1f %.1f %zu\n", rendered, encoded, masked, tokens);
}
