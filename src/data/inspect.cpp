#include "peft/data/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kStruckRed = "\x1b[9;31m";
constexpr std::string_view kPlain = "\x1b[0m";

enum class Fate { kMasked, kTrained, kDropped };

const char* name_of(Fate fate) {
  constexpr const char* kNames[] = {"masked", "trained", "dropped"};
  return kNames[static_cast<size_t>(fate)];
}

/// A row as it was before data.overflow, and what became of its tokens.
struct WholeRow {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;
  std::vector<Fate> fates;
  std::vector<float> weights;
};

WholeRow whole_row(const Example& example, const ShowOptions& options) {
  WholeRow row{example.ids.vector(), example.labels.vector(), {}, example.weights.vector()};
  for (const int32_t label : example.labels) {
    row.fates.push_back(label == kIgnored ? Fate::kMasked : Fate::kTrained);
  }
  if (const auto cut = options.cut_off.find(example.row); cut != options.cut_off.end()) {
    row.ids.insert(row.ids.end(), cut->second.begin(), cut->second.end());
    row.fates.resize(row.ids.size(), Fate::kDropped);
  }
  row.labels.resize(row.ids.size(), kIgnored);
  row.weights.resize(row.ids.size(), 1.0F);
  return row;
}

/// Tokens in a row that share their fate and count alike.
struct Piece {
  size_t begin = 0;
  size_t end = 0;
  Fate fate = Fate::kMasked;
  float weight = 1.0F;
};

std::vector<Piece> pieces_of(const WholeRow& row) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    if (pieces.empty() || pieces.back().fate != row.fates[i] ||
        pieces.back().weight != row.weights[i]) {
      pieces.push_back({i, i, row.fates[i], row.weights[i]});
    }
    pieces.back().end = i + 1;
  }
  return pieces;
}

/// The text of a piece in its place: what it adds to the text before it. Some tokenizers drop a
/// space at the start of whatever they decode, so a piece alone would lose it.
std::string piece_text(const WholeRow& row, const Piece& piece, const Tokenizer& tokenizer) {
  const std::span<const int32_t> ids(row.ids);
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

/// What a classifier is to say of the row; null: it is no such row.
Json label_of(const Example& example, const ShowOptions& options) {
  if (options.task == Task::kRegression) {
    return example.score;
  }
  const auto place = static_cast<size_t>(example.label);
  return example.label < 0                    ? Json()
         : place < options.label_names.size() ? Json(options.label_names[place])
                                              : Json(example.label);
}

std::string header(const Example& example, const ShowOptions& options) {
  const std::string file = file_of(example, options);
  const auto cut = options.cut_off.find(example.row);
  const Json label = label_of(example, options);
  return fmt::format(
      "row {}{}, {} tokens, {}{}\n", example.row + 1,
      file.empty() ? "" : fmt::format(", {}:{}", escaped(file), example.line),
      with_commas(static_cast<int64_t>(example.ids.size())),
      label.is_string()  ? fmt::format("label \"{}\"", escaped(label.get<std::string>()))
      : !label.is_null() ? "label " + label.dump()
                         : with_commas(scored_tokens(example)) + " scored",
      cut == options.cut_off.end()
          ? ""
          : fmt::format(", {} dropped", with_commas(static_cast<int64_t>(cut->second.size()))));
}

/// "0.5× " before what counts that much; "" before the rest.
std::string weight_mark(float weight) {
  return weight == 1.0F ? "" : fmt::format("{}× ", weight);
}

/// 0.1 and not the nearest float's 0.10000000149.
Json shortest(float number) {
  return Json::parse(fmt::format("{}", number));
}

std::string marked(const std::string& text, Fate fate, bool colour) {
  if (colour) {
    constexpr std::string_view kColours[] = {kDim, kGreen, kStruckRed};
    // Each line on its own, so that a pager does not lose the colour at a line break.
    std::vector<std::string> lines = split(text, '\n');
    for (std::string& line : lines) {
      line = fmt::format("{}{}{}", kColours[static_cast<size_t>(fate)], line, kPlain);
    }
    return join(lines, "\n");
  }
  return fate == Fate::kTrained   ? "⟦" + text + "⟧"
         : fate == Fate::kDropped ? "⟪" + text + "⟫"
                                  : text;
}

/// "  (scored as 99 x)" behind a token whose label is another.
std::string label_mark(const WholeRow& row, size_t place, const Tokenizer& tokenizer) {
  const int32_t label = row.labels[place];
  return label == kIgnored || label == row.ids[place]
             ? ""
             : fmt::format("  (scored as {} {})", label, escaped(tokenizer.token(label)));
}

/// One line per token: place, what became of it, id, and spelling.
std::string listing(const WholeRow& row, const Tokenizer& tokenizer, bool colour) {
  std::string text;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const std::string line =
        fmt::format("{:>6}  {:<7}  {:>7}  {}{}{}", i, name_of(row.fates[i]), row.ids[i],
                    weight_mark(row.weights[i]), escaped(tokenizer.token(row.ids[i])),
                    label_mark(row, i, tokenizer));
    text += colour ? marked(line, row.fates[i], true) : line;
    text += '\n';
  }
  return text;
}

}  // namespace

std::string show_example(const Example& example, const Tokenizer& tokenizer,
                         const ShowOptions& options) {
  std::string text = header(example, options);
  const WholeRow row = whole_row(example, options);
  if (options.ids) {
    return text + listing(row, tokenizer, options.colour);
  }
  for (const Piece& piece : pieces_of(row)) {
    text += marked(weight_mark(piece.weight) + readable(piece_text(row, piece, tokenizer)),
                   piece.fate, options.colour);
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
  for (const std::string& reason : report.refusals) {
    text += fmt::format("training would refuse this: {}\n", escaped(reason));
  }
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
  const WholeRow row = whole_row(example, options);
  for (const Piece& piece : pieces_of(row)) {
    pieces.push_back(
        {{"text", piece_text(row, piece, tokenizer)}, {"trained", piece.fate == Fate::kTrained}});
    if (piece.fate == Fate::kDropped) {
      pieces.back()["dropped"] = true;
    }
    if (piece.weight != 1.0F) {
      pieces.back()["weight"] = shortest(piece.weight);
    }
  }
  const std::string file = file_of(example, options);
  Json json = {{"row", example.row},
               {"file", file.empty() ? Json() : Json(file)},
               {"line", example.line},
               {"tokens", example.ids.size()},
               {"scored_tokens", scored_tokens(example)},
               {"prompt_length", example.prompt_length},
               {"ids", example.ids.vector()},
               {"labels", example.labels.vector()},
               {"pieces", std::move(pieces)}};
  if (!example.weights.empty()) {
    json["weights"] = Json::array();
    for (const float weight : example.weights) {
      json["weights"].push_back(shortest(weight));
    }
  }
  if (Json label = label_of(example, options); !label.is_null()) {
    json["label"] = std::move(label);
  }
  return json;
}

Json sample_json(const Dataset& dataset, const Tokenizer& tokenizer, size_t count) {
  Json sample = Json::array();
  if (!tokenizer.reads_text()) {
    return sample;
  }
  for (size_t i = 0; i < std::min(count, dataset.examples.size()); ++i) {
    sample.push_back(example_json(dataset.examples[i], tokenizer,
                                  {.files = dataset.files, .label_names = dataset.label_names}));
    sample.back().erase("ids");
    sample.back().erase("labels");
    sample.back().erase("weights");
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
          {"contradicting_labels", report.contradicting_labels},
          {"calls_ignored", report.calls_ignored},
          {"other_labels", report.other_labels},
          {"special_in_text", report.special_in_text},
          {"bad_rows", report.bad_rows},
          {"places", report.places},
          {"refusals", report.refusals},
          {"notes", report.notes},
          {"sha256", report.sha256.empty() ? Json() : Json(report.sha256)}};
}

}  // namespace peft
