#include "aligned_text.h"

#include <algorithm>

#include "peft/util/text.h"

namespace peft {
namespace {

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

size_t utf8_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

ByteRange AlignedText::original(const ByteRange& range) const {
  if (!origins_.empty()) {
    return {origins_[range.begin].first, origins_[range.end - 1].second};
  }
  size_t begin = range.begin;
  while (begin > 0 && continues(text_[begin])) {
    --begin;
  }
  size_t end = range.end;
  while (end < text_.size() && continues(text_[end])) {
    ++end;
  }
  return {base_ + begin, base_ + end};
}

void AlignedText::remember_origins() {
  if (!origins_.empty()) {
    return;
  }
  origins_.reserve(text_.size());
  for (size_t i = 0; i < text_.size();) {
    const size_t length = utf8_length(text_[i]);
    const Origin origin(static_cast<uint32_t>(base_ + i),
                        static_cast<uint32_t>(base_ + i + length));
    origins_.insert(origins_.end(), length, origin);
    i += length;
  }
}

void AlignedText::transform(std::span<const Change> changes, size_t removed) {
  remember_origins();
  std::string text;
  std::vector<Origin> origins;
  text.reserve(text_.size());
  origins.reserve(origins_.size());
  size_t at = 0;
  const auto skip = [&](size_t characters) {
    for (size_t i = 0; i < characters && at < text_.size(); ++i) {
      at += utf8_length(text_[at]);
    }
  };
  skip(removed);
  const auto start = static_cast<uint32_t>(base_);
  for (const Change& change : changes) {
    const bool inserted = change.change > 0 || at >= text_.size();
    const Origin origin = !inserted ? origins_[at]
                          : at > 0  ? origins_[at - 1]
                                    : Origin(start, start);
    const size_t before = text.size();
    append_utf8(text, change.character);
    origins.insert(origins.end(), text.size() - before, origin);
    if (!inserted) {
      skip(static_cast<size_t>(1 - change.change));
    }
  }
  text_ = std::move(text);
  origins_ = std::move(origins);
}

void AlignedText::insert_before(std::span<const size_t> places, std::string_view inserted) {
  if (places.empty()) {
    return;
  }
  remember_origins();
  std::string text;
  std::vector<Origin> origins;
  text.reserve(text_.size() + places.size() * inserted.size());
  origins.reserve(text.capacity());
  size_t last = 0;
  const auto copy_until = [&](size_t end) {
    text.append(text_, last, end - last);
    origins.insert(origins.end(), origins_.begin() + static_cast<std::ptrdiff_t>(last),
                   origins_.begin() + static_cast<std::ptrdiff_t>(end));
    last = end;
  };
  for (const size_t place : places) {
    copy_until(place);
    text.append(inserted);
    origins.insert(origins.end(), inserted.size(), origins_[place]);
  }
  copy_until(text_.size());
  text_ = std::move(text);
  origins_ = std::move(origins);
}

void AlignedText::replace(std::span<const ByteRange> ranges, std::string_view content) {
  if (ranges.empty()) {
    return;
  }
  remember_origins();
  std::string text;
  std::vector<Origin> origins;
  text.reserve(text_.size());
  origins.reserve(origins_.size());
  const auto origin_at = [this](size_t i) {
    return origins_.begin() + static_cast<std::ptrdiff_t>(i);
  };
  size_t last = 0;
  for (const ByteRange& range : ranges) {
    text.append(text_, last, range.begin - last);
    origins.insert(origins.end(), origin_at(last), origin_at(range.begin));
    const auto start = static_cast<uint32_t>(base_);
    const Origin origin = range.end > 0 ? origins_[range.end - 1] : Origin(start, start);
    text.append(content);
    origins.insert(origins.end(), content.size(), origin);
    last = range.end;
  }
  text.append(text_, last);
  origins.insert(origins.end(), origin_at(last), origins_.end());
  text_ = std::move(text);
  origins_ = std::move(origins);
}

void AlignedText::keep(const ByteRange& range) {
  remember_origins();
  text_ = text_.substr(range.begin, range.size());
  origins_.assign(origins_.begin() + static_cast<std::ptrdiff_t>(range.begin),
                  origins_.begin() + static_cast<std::ptrdiff_t>(range.end));
}

AlignedText AlignedText::slice(const ByteRange& range) const {
  AlignedText part(std::string_view(text_).substr(range.begin, range.size()),
                   range.size() > 0 ? original(range).begin : base_);
  if (!origins_.empty()) {
    part.origins_.assign(origins_.begin() + static_cast<std::ptrdiff_t>(range.begin),
                         origins_.begin() + static_cast<std::ptrdiff_t>(range.end));
  }
  return part;
}

}  // namespace peft
