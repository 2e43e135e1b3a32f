// How fast a folder's tokenizer encodes a text, line by line: prints megabytes a second, the best
// of several rounds, and the number of tokens. Used by scripts/bench_tokenizer.

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"
#include "peft/util/text.h"

int main(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: peft_tokenizer_throughput FOLDER TEXT ROUNDS\n", stderr);
    return 2;
  }
  const auto tokenizer = peft::load_tokenizer(arguments[1]);
  const std::string text = peft::read_text<peft::DataError>(arguments[2], size_t{1} << 30);
  const std::vector<std::string> lines = peft::split(text, '\n');
  double best = 0.0;
  size_t tokens = 0;
  for (int round = 0; round < std::stoi(arguments[3]); ++round) {
    const auto start = std::chrono::steady_clock::now();
    tokens = 0;
    for (const std::string& line : lines) {
      tokens += tokenizer->encode(line, /*add_special_tokens=*/false).ids.size();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(text.size()) / 1e6 / seconds.count());
  }
  std::printf("%.3f %zu\n", best, tokens);
}
