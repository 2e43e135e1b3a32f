#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "peft/util/json.h"

namespace peft {

class TemplateValue;
class TemplateContext;
struct TemplateArguments;

/// Nesting of lists, tuples and dicts that a template may reach; keeps recursion over values short.
inline constexpr int kTemplateValueDepth = 100;

/// A name, member or element that does not exist; `why` is what Jinja says when it is used.
struct TemplateUndefined {
  std::shared_ptr<const std::string> why;
};

/// Python's ordered collections, as far as a template can tell them apart.
enum class SequenceKind { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

/// An immutable sequence. A generator gives its items once: `consumed` is set by whoever takes
/// them.
struct TemplateSequence {
  SequenceKind kind = SequenceKind::kList;
  std::vector<TemplateValue> items;
  int depth = 1;  ///< levels of nesting, this one included
  bool consumed = false;
};

/// A dict in insertion order, with Python's equality of keys (1 == 1.0 == True).
class TemplateDict {
 public:
  /// A tuple as a key may be spelled in so many bytes.
  static constexpr size_t kKeyBytes = 4096;

  /// Null when the key is absent or cannot be a key.
  const TemplateValue* find(const TemplateValue& key) const;
  const TemplateValue* find(std::string_view key) const;

  /// Adds or replaces. False when the key is of a kind that cannot be hashed.
  bool set(const TemplateValue& key, TemplateValue value);

  const std::vector<std::pair<TemplateValue, TemplateValue>>& entries() const { return entries_; }
  int depth() const { return depth_; }
  void clear();

 private:
  std::vector<std::pair<TemplateValue, TemplateValue>> entries_;
  std::unordered_map<std::string, size_t> index_;
  int depth_ = 1;
};

/// What namespace() makes: the one thing a template can change.
struct TemplateNamespace {
  TemplateDict attributes;
};

/// A macro, a bound method or a global function.
struct TemplateCallable {
  std::string name;
  std::function<TemplateValue(TemplateContext&, const TemplateArguments&)> call;
};

/// The variable `loop` of a for statement; lives as long as its statement runs.
struct TemplateLoop {
  std::shared_ptr<const std::vector<TemplateValue>> items;
  int64_t index0 = 0;
  std::shared_ptr<const TemplateValue> changed;  ///< what loop.changed() saw last
};

/// A Python value as Jinja sees it. Copies are cheap and share what they hold.
class TemplateValue {
 public:
  struct Text {
    std::shared_ptr<const std::string> value;
    bool is_markup = false;  ///< came from `safe` or `escape`: adding to it escapes what is added
  };
  using Sequence = std::shared_ptr<TemplateSequence>;
  using Dict = std::shared_ptr<const TemplateDict>;
  using Namespace = std::shared_ptr<TemplateNamespace>;
  using Callable = std::shared_ptr<const TemplateCallable>;
  using Loop = std::shared_ptr<TemplateLoop>;

  /// None.
  TemplateValue() = default;
  static TemplateValue undefined(std::string why);
  static TemplateValue boolean(bool value) { return TemplateValue(Storage(value)); }
  static TemplateValue integer(int64_t value) { return TemplateValue(Storage(value)); }
  static TemplateValue real(double value) { return TemplateValue(Storage(value)); }
  /// A string, which must be UTF-8.
  static TemplateValue text(std::string value);
  /// A string that counts as escaped.
  static TemplateValue markup(std::string value);
  static TemplateValue sequence(SequenceKind kind, std::vector<TemplateValue> items);
  static TemplateValue dict(TemplateDict value);
  static TemplateValue callable(TemplateCallable value);
  static TemplateValue of(Namespace value) { return TemplateValue(Storage(std::move(value))); }
  static TemplateValue of(Loop value) { return TemplateValue(Storage(std::move(value))); }

  /// The JSON value as Python's json module reads it. Throws DataError for an integer of more than
  /// 63 bits and for nesting beyond kTemplateValueDepth.
  static TemplateValue from_json(const Json& json);

  bool is_none() const { return holds<std::monostate>(); }
  bool is_undefined() const { return holds<TemplateUndefined>(); }
  bool is_boolean() const { return holds<bool>(); }
  bool is_integer() const { return holds<int64_t>(); }
  bool is_real() const { return holds<double>(); }
  bool is_text() const { return holds<Text>(); }
  bool is_sequence() const { return holds<Sequence>(); }
  bool is_dict() const { return holds<Dict>(); }
  bool is_namespace() const { return holds<Namespace>(); }
  bool is_callable() const { return holds<Callable>(); }
  bool is_loop() const { return holds<Loop>(); }
  bool is_number() const { return is_boolean() || is_integer() || is_real(); }

  const std::string& why_undefined() const { return *std::get<TemplateUndefined>(storage_).why; }
  bool boolean() const { return std::get<bool>(storage_); }
  double real() const { return std::get<double>(storage_); }
  const std::string& text() const { return *std::get<Text>(storage_).value; }
  bool is_markup() const { return is_text() && std::get<Text>(storage_).is_markup; }
  const Sequence& sequence() const { return std::get<Sequence>(storage_); }
  const std::vector<TemplateValue>& items() const { return sequence()->items; }
  const TemplateDict& dict() const { return *std::get<Dict>(storage_); }
  const Namespace& name_space() const { return std::get<Namespace>(storage_); }
  const TemplateCallable& callable() const { return *std::get<Callable>(storage_); }
  const Loop& loop() const { return std::get<Loop>(storage_); }

  /// A bool or an int as an int; absent for everything else.
  std::optional<int64_t> as_integer() const;
  /// Any number as a float; only for numbers.
  double as_real() const;
  /// True for a sequence of that kind.
  bool is(SequenceKind kind) const { return is_sequence() && sequence()->kind == kind; }
  /// Levels of nesting: 0 for everything but sequences and dicts.
  int depth() const;
  /// True if both are the same object, or equal scalars (Python's `is`).
  bool same_as(const TemplateValue& other) const;
  /// Python's name of the type: "str", "NoneType".
  std::string type_name() const;

 private:
  using Storage = std::variant<std::monostate, TemplateUndefined, bool, int64_t, double, Text,
                               Sequence, Dict, Namespace, Callable, Loop>;
  explicit TemplateValue(Storage storage) : storage_(std::move(storage)) {}
  template <class T>
  bool holds() const {
    return std::holds_alternative<T>(storage_);
  }

  Storage storage_;
};

/// What a call passes: f(1, 2, key=3).
struct TemplateArguments {
  std::vector<TemplateValue> positional;
  std::vector<std::pair<std::string, TemplateValue>> named;
};

}  // namespace peft
