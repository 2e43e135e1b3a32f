#include "vocabulary.h"

#include <bit>
#include <functional>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kLargestTokenBytes = size_t{1} << 16;

uint32_t hash_of(std::string_view text) {
  const auto hash = static_cast<uint64_t>(std::hash<std::string_view>{}(text));
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

void TokenTable::reserve(size_t count, size_t bytes) {
  characters_.reserve(bytes);
  const size_t slots = std::bit_ceil(2 * count + 16);
  if (slots > slots_.size()) {
    grow(slots);
  }
}

void TokenTable::grow(size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id != kEmpty) {
      slots_[slot_of({characters_.data() + slot.begin, slot.length}, slot.hash)] = slot;
    }
  }
}

size_t TokenTable::slot_of(std::string_view text, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].id != kEmpty) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash &&
        text == std::string_view(characters_.data() + slot.begin, slot.length)) {
      break;
    }
    at = (at + 1) & mask;
  }
  return at;
}

bool TokenTable::insert(std::string_view text, int32_t id) {
  if (2 * (size_ + 1) > slots_.size()) {
    grow(std::bit_ceil(4 * size_ + 16));
  }
  const uint32_t hash = hash_of(text);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.id != kEmpty) {
    return false;
  }
  slot = {hash, id, static_cast<uint32_t>(characters_.size()), static_cast<uint32_t>(text.size())};
  characters_ += text;
  ++size_;
  return true;
}

std::optional<int32_t> TokenTable::find(std::string_view text) const {
  if (slots_.empty()) {
    return std::nullopt;
  }
  const Slot& slot = slots_[slot_of(text, hash_of(text))];
  return slot.id == kEmpty ? std::nullopt : std::optional<int32_t>(slot.id);
}

void Vocabulary::add(std::string_view token, int64_t id, const std::string& where) {
  // Messages are made only when they are needed: this runs for every token of a vocabulary.
  if (id < 0 || id >= kLargestVocabulary) {
    fail<ModelError>("{}: the id {} of \"{}\" is not between 0 and {}", where, id, escaped(token),
                     kLargestVocabulary - 1);
  }
  if (token.size() > kLargestTokenBytes) {
    fail<ModelError>("{}: a token of {} bytes is longer than {}", where, token.size(),
                     kLargestTokenBytes);
  }
  const auto index = static_cast<size_t>(id);
  if (index >= tokens_.size()) {
    tokens_.resize(index + 1);
    present_.resize(index + 1);
  }
  if (present_[index]) {
    fail<ModelError>("{}: \"{}\" and \"{}\" share the id {}", where, escaped(tokens_[index]),
                     escaped(token), id);
  }
  if (!table_.insert(token, static_cast<int32_t>(id))) {
    fail<ModelError>("{}: \"{}\" appears twice", where, escaped(token));
  }
  tokens_[index] = token;
  present_[index] = true;
}

bool Vocabulary::has(int32_t id) const {
  return id >= 0 && id < end() && present_[static_cast<size_t>(id)];
}

}  // namespace peft
