#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peft {

/// The merges (ids of left and right, first applied first) that make BPE cut text as sentencepiece
/// does. Sentencepiece joins the pair whose result has the best score; as a ranked list that is
/// every cut of every piece into two, the best result first. `normal` tells which pieces are texts
/// that merging may make.
std::vector<std::pair<int32_t, int32_t>> merges_from_scores(const std::vector<std::string>& pieces,
                                                            const std::vector<double>& scores,
                                                            const std::vector<bool>& normal);

}  // namespace peft
