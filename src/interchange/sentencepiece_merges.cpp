#include "peft/interchange/sentencepiece_merges.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>

#include "peft/util/text.h"

namespace peft {
namespace {

/// A pair of pieces that are joined to a third.
struct Merge {
  double score;
  size_t left_length;  // in code points
  size_t right_length;
  int32_t left;
  int32_t right;
};

/// Every way to cut a piece into two others.
void add_merges_of(const GgufVocabulary& vocabulary, int32_t id, std::vector<Merge>& merges) {
  const std::string& piece = vocabulary.token(id);
  const auto normal_id = [&](const std::string& text) {
    const auto found = vocabulary.ids.find(text);
    const bool is_normal =
        found != vocabulary.ids.end() &&
        vocabulary.kinds[static_cast<size_t>(found->second)] == GgufTokenKind::kNormal;
    return is_normal ? found->second : -1;
  };
  std::vector<size_t> cuts;
  for (size_t offset = 0; offset < piece.size();) {
    next_code_point(piece, offset);
    cuts.push_back(offset);
  }
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const int32_t left = normal_id(piece.substr(0, cuts[i]));
    const int32_t right = normal_id(piece.substr(cuts[i]));
    if (left >= 0 && right >= 0) {
      merges.push_back(
          {vocabulary.scores[static_cast<size_t>(id)], i + 1, cuts.size() - i - 1, left, right});
    }
  }
}

}  // namespace

std::vector<std::string> merges_from_scores(const GgufVocabulary& vocabulary) {
  std::vector<Merge> merges;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.kinds[id] == GgufTokenKind::kNormal) {
      const size_t first = merges.size();
      add_merges_of(vocabulary, static_cast<int32_t>(id), merges);
      std::sort(merges.begin() + static_cast<ptrdiff_t>(first), merges.end(),
                [](const Merge& a, const Merge& b) {
                  return std::pair(a.left, a.right) < std::pair(b.left, b.right);
                });
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tie(a.score, a.left_length, a.right_length) >
           std::tie(b.score, b.left_length, b.right_length);
  });
  std::vector<std::string> list;
  for (const Merge& merge : merges) {
    list.push_back(vocabulary.token(merge.left) + " " + vocabulary.token(merge.right));
  }
  return list;
}

}  // namespace peft
