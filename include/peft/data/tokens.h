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

/// Numbers that never change, one per token: a vector of its own, or a part of a file in memory,
/// which stays there as long as somebody uses it. Copies share the numbers.
template <class T>
class PerToken {
 public:
  using value_type = T;
  using iterator = const T*;
  using const_iterator = const T*;

  PerToken() = default;
  PerToken(std::vector<T> numbers) {  // NOLINT(google-explicit-constructor): a vector is numbers
    auto owned = std::make_shared<const std::vector<T>>(std::move(numbers));
    numbers_ = *owned;
    owner_ = std::move(owned);
  }
  PerToken(std::initializer_list<T> numbers) : PerToken(std::vector<T>(numbers)) {}
  PerToken(std::span<const T> numbers, std::shared_ptr<const void> owner)
      : numbers_(numbers), owner_(std::move(owner)) {}

  size_t size() const { return numbers_.size(); }
  bool empty() const { return numbers_.empty(); }
  const T* data() const { return numbers_.data(); }
  const T* begin() const { return numbers_.data(); }
  const T* end() const { return numbers_.data() + numbers_.size(); }
  T operator[](size_t place) const { return numbers_[place]; }
  T front() const { return numbers_.front(); }
  T back() const { return numbers_.back(); }

  operator std::span<const T>() const {  // NOLINT(google-explicit-constructor)
    return numbers_;
  }
  std::vector<T> vector() const { return {begin(), end()}; }

  friend bool operator==(const PerToken& a, const PerToken& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::span<const T> numbers_;
  std::shared_ptr<const void> owner_;
};

using Tokens = PerToken<int32_t>;  ///< ids or labels
using Weights = PerToken<float>;

}  // namespace peft
