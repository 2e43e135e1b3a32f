#include "peft/data/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::string_view kTrained = "\x1b[32m";
constexpr std::string_view kMasked = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

/// Tokens in a row that are all trained, or all masked.
struct Piece {
  size_t begin = 0;
  size_t end = 0;
  bool trained = false;
};

std::vector<Piece> pieces_of(const Example& example) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < example.ids.size(); ++i) {
    const bool trained = example.labels[i] != kIgnored;
    if (pieces.empty() || pieces.back().trained != trained) {
      pieces.push_back({i, i, trained});
    }
    pieces.back().end = i + 1;
  }
  return pieces;
}

/// The text of a piece in its place: what it adds to the text before it. Some tokenizers drop a
/// space at the start of whatever they decode, so a piece alone would lose it.
std::string piece_text(const Example& example, const Piece& piece, const Tokenizer& tokenizer) {
  const std::span<const int32_t> ids(example.ids);
  const std::string before = tokenizer.decode(ids.first(piece.begin), false);
  const std::string through = tokenizer.decode(ids.first(piece.end), false);
  return through.starts_with(before)
             ? through.substr(before.size())
             : tokenizer.decode(ids.subspan(piece.begin, piece.end - piece.begin), false);
}

/// Escaped, and with a line break behind each \n so that long rows stay readable.
std::string readable(std::string_view text) {
  std::string lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines += escaped(text.substr(begin, end - begin));
    if (text[end - 1] == '\n' && end < text.size()) {
      lines += '\n';
    }
    begin = end;
  }
  return lines;
}

int64_t scored_tokens(const Example& example) {
  return example.labels.empty() ? 0
                                : std::count_if(example.labels.begin() + 1, example.labels.end(),
                                                [](int32_t label) { return label != kIgnored; });
}

std::string file_of(const Example& example, const ShowOptions& options) {
  const auto file = static_cast<size_t>(example.file);
  return file < options.files.size() ? options.files[file].string() : "";
}

std::string header(const Example& example, const ShowOptions& options) {
  const std::string file = file_of(example, options);
  return fmt::format("row {}{}, {} tokens, {} scored\n", example.row + 1,
                     file.empty() ? "" : fmt::format(", {}:{}", escaped(file), example.line),
                     with_commas(static_cast<int64_t>(example.ids.size())),
                     with_commas(scored_tokens(example)));
}

std::string marked(const std::string& text, bool trained, bool colour) {
  if (colour) {
    // Each line on its own, so that a pager does not lose the colour at a line break.
    const std::string_view begin = trained ? kTrained : kMasked;
    std::vector<std::string> lines = split(text, '\n');
    for (std::string& line : lines) {
      line = fmt::format("{}{}{}", begin, line, kPlain);
    }
    return join(lines, "\n");
  }
  return trained ? "⟦" + text + "⟧" : text;
}

/// One line per token: place, whether it is trained, id, and spelling.
std::string listing(const Example& example, const Tokenizer& tokenizer, bool colour) {
  std::string text;
  for (size_t i = 0; i < example.ids.size(); ++i) {
    const bool trained = example.labels[i] != kIgnored;
    const std::string line =
        fmt::format("{:>6}  {:<7}  {:>7}  {}", i, trained ? "trained" : "masked", example.ids[i],
                    escaped(tokenizer.token(example.ids[i])));
    text += colour ? marked(line, trained, true) : line;
    text += '\n';
  }
  return text;
}

}  // namespace

std::string show_example(const Example& example, const Tokenizer& tokenizer,
                         const ShowOptions& options) {
  std::string text = header(example, options);
  if (options.ids) {
    return text + listing(example, tokenizer, options.colour);
  }
  for (const Piece& piece : pieces_of(example)) {
    text += marked(readable(piece_text(example, piece, tokenizer)), piece.trained, options.colour);
  }
  return text + "\n";
}

std::string show_report(const DataReport& report) {
  std::string text = fmt::format("format: {}\n", escaped(report.decision));
  text += fmt::format("rows: {}, examples: {}\n", with_commas(report.rows),
                      with_commas(report.examples));
  text += fmt::format("tokens: {}, scored: {} ({:.1f} %), longest row: {}\n",
                      with_commas(report.tokens), with_commas(report.scored_tokens),
                      report.tokens == 0 ? 0.0
                                         : 100.0 * static_cast<double>(report.scored_tokens) /
                                               static_cast<double>(report.tokens),
                      with_commas(report.longest));
  for (const std::string& note : report.notes) {
    text += fmt::format("{}\n", escaped(note));
  }
  if (!report.sha256.empty()) {
    text += fmt::format("sha256: {}\n", report.sha256);
  }
  return text;
}

Json example_json(const Example& example, const Tokenizer& tokenizer, const ShowOptions& options) {
  Json pieces = Json::array();
  for (const Piece& piece : pieces_of(example)) {
    pieces.push_back({{"text", piece_text(example, piece, tokenizer)}, {"trained", piece.trained}});
  }
  const std::string file = file_of(example, options);
  return {{"row", example.row},
          {"file", file.empty() ? Json() : Json(file)},
          {"line", example.line},
          {"tokens", example.ids.size()},
          {"scored_tokens", scored_tokens(example)},
          {"prompt_length", example.prompt_length},
          {"ids", example.ids},
          {"labels", example.labels},
          {"pieces", std::move(pieces)}};
}

Json sample_json(const Dataset& dataset, const Tokenizer& tokenizer, size_t count) {
  Json sample = Json::array();
  if (!tokenizer.reads_text()) {
    return sample;
  }
  for (size_t i = 0; i < std::min(count, dataset.examples.size()); ++i) {
    sample.push_back(example_json(dataset.examples[i], tokenizer, {.files = dataset.files}));
    sample.back().erase("ids");
    sample.back().erase("labels");
  }
  return sample;
}

Json report_json(const DataReport& report) {
  return {{"format", report.format},
          {"decision", report.decision},
          {"rows", report.rows},
          {"examples", report.examples},
          {"tokens", report.tokens},
          {"scored_tokens", report.scored_tokens},
          {"longest", report.longest},
          {"truncated", report.truncated},
          {"dropped_too_long", report.dropped_too_long},
          {"dropped_unscored", report.dropped_unscored},
          {"without_stop", report.without_stop},
          {"split_per_turn", report.split_per_turn},
          {"duplicates", report.duplicates},
          {"special_in_text", report.special_in_text},
          {"bad_rows", report.bad_rows},
          {"notes", report.notes},
          {"sha256", report.sha256.empty() ? Json() : Json(report.sha256)}};
}

}  // namespace peft
