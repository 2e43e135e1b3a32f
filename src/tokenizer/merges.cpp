#include <algorithm>
#include <bit>
#include <functional>
#include <queue>

#include "bpe.h"

namespace peft {
namespace {

/// Words up to this length are merged by scanning for the best pair; longer ones with a queue.
constexpr size_t kShortWord = 48;

uint64_t key_of(int32_t left, int32_t right) {
  return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
}

void merge_short(const MergeTable& merges, std::vector<Symbol>& symbols, size_t begin) {
  std::array<MergeTable::Merge, kShortWord> next;  // what each symbol and its right one become
  Symbol* const word = symbols.data() + begin;
  size_t count = symbols.size() - begin;
  for (size_t i = 0; i + 1 < count; ++i) {
    next[i] = merges.find(word[i].id, word[i + 1].id);
  }
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      best = next[i].rank < next[best].rank ? i : best;
    }
    if (next[best].rank == MergeTable::kNone) {
      break;
    }
    word[best] = {next[best].id, word[best].length + word[best + 1].length};
    std::copy(word + best + 2, word + count, word + best + 1);
    --count;
    if (best + 1 < count) {
      std::copy(next.data() + best + 2, next.data() + count, next.data() + best + 1);
      next[best] = merges.find(word[best].id, word[best + 1].id);
    }
    if (best > 0) {
      next[best - 1] = merges.find(word[best - 1].id, word[best].id);
    }
  }
  symbols.resize(begin + count);
}

/// A linked list of symbols with a queue of possible merges, ordered by rank, then by position.
/// Entries that later merges made obsolete are recognised when they come up.
class LongWord {
 public:
  LongWord(const MergeTable& merges, Symbol* symbols, size_t count)
      : merges_(merges), symbols_(symbols), count_(count), links_(count) {
    std::vector<uint64_t> first;
    for (size_t i = 0; i < count; ++i) {
      links_[i] = {static_cast<uint32_t>(i - 1), static_cast<uint32_t>(i + 1)};
      if (i + 1 < count) {
        const uint32_t rank = merges.find(symbols[i].id, symbols[i + 1].id).rank;
        if (rank != MergeTable::kNone) {
          first.push_back(entry(rank, i));
        }
      }
    }
    queue_ = Queue(std::greater<>(), std::move(first));
  }

  /// Merges everything and returns how many symbols are left.
  size_t merge() {
    while (!queue_.empty()) {
      const uint64_t top = queue_.top();
      queue_.pop();
      const size_t left = top & UINT32_MAX;
      const size_t right = links_[left].next;
      if (symbols_[left].length == 0 || right >= count_) {
        continue;
      }
      const MergeTable::Merge& found = merges_.find(symbols_[left].id, symbols_[right].id);
      if (found.rank == static_cast<uint32_t>(top >> 32)) {
        join(left, right, found.id);
      }
    }
    Symbol* const end = std::remove_if(symbols_, symbols_ + count_,
                                       [](const Symbol& symbol) { return symbol.length == 0; });
    return static_cast<size_t>(end - symbols_);
  }

 private:
  struct Links {
    uint32_t previous;
    uint32_t next;
  };
  using Queue = std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>>;

  static uint64_t entry(uint32_t rank, size_t position) {
    return (uint64_t{rank} << 32) | static_cast<uint32_t>(position);
  }

  void offer(size_t left, size_t right) {
    if (left < count_ && right < count_) {
      const uint32_t rank = merges_.find(symbols_[left].id, symbols_[right].id).rank;
      if (rank != MergeTable::kNone) {
        queue_.push(entry(rank, left));
      }
    }
  }

  void join(size_t left, size_t right, int32_t id) {
    symbols_[left] = {id, symbols_[left].length + symbols_[right].length};
    symbols_[right].length = 0;
    links_[left].next = links_[right].next;
    if (links_[left].next < count_) {
      links_[links_[left].next].previous = static_cast<uint32_t>(left);
    }
    offer(links_[left].previous, left);
    offer(left, links_[left].next);
  }

  const MergeTable& merges_;
  Symbol* symbols_;
  size_t count_;
  std::vector<Links> links_;
  Queue queue_;
};

}  // namespace

void MergeTable::reserve(size_t count) {
  const size_t slots = std::bit_ceil(2 * count + 16);
  if (slots <= entries_.size()) {
    return;
  }
  std::vector<Entry> old(slots);
  old.swap(entries_);
  shift_ = 64 - std::countr_zero(slots);
  for (const Entry& entry : old) {
    if (entry.key != UINT64_MAX) {
      entries_[slot_of(entry.key)] = entry;
    }
  }
}

size_t MergeTable::slot_of(uint64_t key) const {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2^64 divided by the golden ratio
  const size_t mask = entries_.size() - 1;
  size_t at = (key * kGolden ^ (key >> 32) * kGolden) >> shift_;
  while (entries_[at].key != key && entries_[at].key != UINT64_MAX) {
    at = (at + 1) & mask;
  }
  return at;
}

void MergeTable::insert(int32_t left, int32_t right, const Merge& merge) {
  reserve(size_ + 1);
  Entry& entry = entries_[slot_of(key_of(left, right))];
  size_ += entry.key == UINT64_MAX;
  entry = {key_of(left, right), merge};
}

const MergeTable::Merge& MergeTable::find(int32_t left, int32_t right) const {
  static constexpr Merge kNoMerge;
  if (entries_.empty()) {
    return kNoMerge;
  }
  const Entry& entry = entries_[slot_of(key_of(left, right))];
  return entry.key == UINT64_MAX ? kNoMerge : entry.merge;
}

void merge_symbols(const MergeTable& merges, std::vector<Symbol>& symbols, size_t begin) {
  const size_t count = symbols.size() - begin;
  if (count <= kShortWord) {
    merge_short(merges, symbols, begin);
  } else {
    symbols.resize(begin + LongWord(merges, symbols.data() + begin, count).merge());
  }
}

}  // namespace peft
