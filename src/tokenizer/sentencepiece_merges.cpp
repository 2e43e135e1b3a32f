#include "peft/tokenizer/sentencepiece_merges.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "peft/util/text.h"

namespace peft {
namespace {

/// A pair of pieces that are joined to a third.
struct PieceMerge {
  double score;
  size_t left_length;  // in code points
  size_t right_length;
  int32_t left;
  int32_t right;
};

using PieceIds = std::unordered_map<std::string_view, int32_t>;

/// Every way to cut a piece into two others, by their ids.
void append_cuts(const std::string& piece, double score, const PieceIds& ids,
                 std::vector<PieceMerge>& merges) {
  const std::string_view whole = piece;
  const size_t first = merges.size();
  const auto length = static_cast<size_t>(count_code_points(whole));
  size_t cut = 0;
  for (size_t characters = 1; characters < length; ++characters) {
    next_code_point(whole, cut);
    const auto left = ids.find(whole.substr(0, cut));
    const auto right = left == ids.end() ? left : ids.find(whole.substr(cut));
    if (right != ids.end()) {
      merges.push_back({score, characters, length - characters, left->second, right->second});
    }
  }
  std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
            [](const PieceMerge& a, const PieceMerge& b) {
              return std::pair(a.left, a.right) < std::pair(b.left, b.right);
            });
}

}  // namespace

std::vector<std::pair<int32_t, int32_t>> merges_from_scores(const std::vector<std::string>& pieces,
                                                            const std::vector<double>& scores,
                                                            const std::vector<bool>& normal) {
  PieceIds ids;
  ids.reserve(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (normal[i]) {
      ids.emplace(pieces[i], static_cast<int32_t>(i));
    }
  }
  std::vector<PieceMerge> merges;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (normal[i]) {
      append_cuts(pieces[i], scores[i], ids, merges);
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const PieceMerge& a, const PieceMerge& b) {
    return std::tie(a.score, a.left_length, a.right_length) >
           std::tie(b.score, b.left_length, b.right_length);
  });
  std::vector<std::pair<int32_t, int32_t>> pairs;
  pairs.reserve(merges.size());
  for (const PieceMerge& merge : merges) {
    pairs.emplace_back(merge.left, merge.right);
  }
  return pairs;
}

}  // namespace peft
