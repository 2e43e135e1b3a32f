#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace peft {

/// Token ids or labels that never change: a vector of its own, or a part of a file in memory, which
/// stays there as long as somebody uses it. Copies share the numbers.
class Tokens {
 public:
  using value_type = int32_t;
  using iterator = const int32_t*;
  using const_iterator = const int32_t*;

  Tokens() = default;
  Tokens(std::vector<int32_t> tokens) {  // NOLINT(google-explicit-constructor): a vector is tokens
    auto owned = std::make_shared<const std::vector<int32_t>>(std::move(tokens));
    tokens_ = *owned;
    owner_ = std::move(owned);
  }
  Tokens(std::initializer_list<int32_t> tokens) : Tokens(std::vector<int32_t>(tokens)) {}
  Tokens(std::span<const int32_t> tokens, std::shared_ptr<const void> owner)
      : tokens_(tokens), owner_(std::move(owner)) {}

  size_t size() const { return tokens_.size(); }
  bool empty() const { return tokens_.empty(); }
  const int32_t* data() const { return tokens_.data(); }
  const int32_t* begin() const { return tokens_.data(); }
  const int32_t* end() const { return tokens_.data() + tokens_.size(); }
  int32_t operator[](size_t place) const { return tokens_[place]; }
  int32_t front() const { return tokens_.front(); }
  int32_t back() const { return tokens_.back(); }

  operator std::span<const int32_t>() const {  // NOLINT(google-explicit-constructor)
    return tokens_;
  }
  std::vector<int32_t> vector() const { return {begin(), end()}; }

  friend bool operator==(const Tokens& a, const Tokens& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::span<const int32_t> tokens_;
  std::shared_ptr<const void> owner_;
};

}  // namespace peft
