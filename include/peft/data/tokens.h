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
    const auto owner = std::make_shared<const std::vector<T>>(std::move(numbers));
    first_ = std::shared_ptr<const T>(owner, owner->data());
    size_ = owner->size();
  }
  PerToken(std::initializer_list<T> numbers) : PerToken(std::vector<T>(numbers)) {}
  PerToken(std::span<const T> numbers, const std::shared_ptr<const void>& owner)
      : first_(owner, numbers.data()), size_(numbers.size()) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* data() const { return first_.get(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T operator[](size_t place) const { return data()[place]; }
  T front() const { return data()[0]; }
  T back() const { return data()[size_ - 1]; }

  operator std::span<const T>() const {  // NOLINT(google-explicit-constructor)
    return {data(), size_};
  }
  std::vector<T> vector() const { return {begin(), end()}; }

  friend bool operator==(const PerToken& a, const PerToken& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::shared_ptr<const T> first_;  // shares the owner of all of them
  size_t size_ = 0;
};

using Tokens = PerToken<int32_t>;  ///< ids or labels
using Weights = PerToken<float>;

}  // namespace peft
