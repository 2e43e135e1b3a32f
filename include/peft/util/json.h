#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "peft/util/error.h"

namespace peft {

/// Objects keep the order of the file: chat templates and rank patterns depend on it.
using Json = nlohmann::ordered_json;

/// Bounds on a document before anything is allocated for it (names of what they protect from).
struct JsonLimits {
  size_t bytes = size_t{1} << 20;
  int depth = 64;
  /// Lets integers beyond 64 bits pass as floating-point numbers instead of refusing them:
  /// transformers writes 10^30 for "no limit".
  bool huge_integers = false;
};

/// Where a key or a value stands in its file, by JSON pointer ("/training/learning_rate").
struct JsonPosition {
  int64_t line = 0;    ///< from 1
  int64_t column = 0;  ///< from 1
};
using JsonPositions = std::map<std::string, JsonPosition>;

/// What is wrong with a document, and where.
struct JsonFault {
  std::string message;
  JsonPosition position;
};

/// Strict JSON: no duplicate keys, no NaN, no BOM, no trailing text, UTF-8 only, bounded depth and
/// size. Returns the document, or the first fault through `fault` (then the result is null).
/// `positions`, when given, receives the position of every object member's key.
Json parse_json(std::string_view text, const JsonLimits& limits, std::optional<JsonFault>* fault,
                JsonPositions* positions = nullptr);

/// The same, throwing E with "where:line:column: message".
template <class E>
Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits = {},
                JsonPositions* positions = nullptr) {
  std::optional<JsonFault> fault;
  Json json = parse_json(text, limits, &fault, positions);
  if (fault) {
    fail<E>("{}:{}:{}: {}", where, fault->position.line, fault->position.column, fault->message);
  }
  return json;
}

/// Reads a whole file as text of at most `limit` bytes. Throws E when it is missing, not a regular
/// file, or larger.
std::string read_text(const std::filesystem::path& file, size_t limit, std::string* problem);

template <class E>
std::string read_text(const std::filesystem::path& file, size_t limit) {
  std::string problem;
  std::string text = read_text(file, limit, &problem);
  check<E>(problem.empty(), "{}: {}", file.string(), problem);
  return text;
}

/// A JSON file, strictly parsed. Throws E.
template <class E>
Json read_json(const std::filesystem::path& file, const JsonLimits& limits = {},
               JsonPositions* positions = nullptr) {
  return parse_json<E>(read_text<E>(file, limits.bytes), file.string(), limits, positions);
}

/// "a boolean", "an integer", "a number", "a string", "a list", "an object", "null".
std::string json_kind(const Json& value);

/// A short rendering of a value for messages, cut after 60 characters.
std::string json_excerpt(const Json& value);

/// Reads the members of one object with their types checked; whatever was not asked for is an error
/// in `finish`. Absent members leave the variable as it is; integers never come from a float.
/// Every fault throws E with "where: key: ...".
template <class E>
class JsonReader {
 public:
  JsonReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    check<E>(object.is_object(), "{}: expected an object, found {}", where_, json_kind(object));
  }

  /// True if the member is present and not null.
  bool has(const std::string& key) const {
    const auto found = object_.find(key);
    return found != object_.end() && !found->is_null();
  }

  /// Reads a member into `value` (bool, any integer, double, std::string, Json, vector or optional
  /// of these). An absent or null member leaves it alone.
  template <class T>
  bool read(const std::string& key, T& value) {
    known_.insert(key);
    if (!has(key)) {
      return false;
    }
    convert(object_.at(key), key, value);
    return true;
  }

  /// As read, but the member must be there.
  template <class T>
  void require(const std::string& key, T& value) {
    check<E>(read(key, value), "{}: {}: missing", where_, key);
  }

  /// Members that are known and deliberately not used.
  void ignore(std::initializer_list<const char*> keys) { known_.insert(keys.begin(), keys.end()); }

  /// Throws for the first member that nobody asked for.
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (known_.count(key) == 0) {
        fail<E>("{}: unknown key \"{}\"{}", where_, key,
                suggestion(key, {known_.begin(), known_.end()}));
      }
    }
  }

  const std::string& where() const { return where_; }

 private:
  void convert(const Json& json, const std::string& key, bool& value) {
    expect(json.is_boolean(), json, key, "a boolean");
    value = json.get<bool>();
  }
  template <class T>
  requires std::is_integral_v<T>
  void convert(const Json& json, const std::string& key, T& value) {
    expect(json.is_number_integer(), json, key, "an integer");
    const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<uint64_t>())
                                                : std::in_range<T>(json.get<int64_t>());
    check<E>(fits, "{}: {}: {} is out of range", where_, key, json.dump());
    value = static_cast<T>(json.is_number_unsigned() ? json.get<uint64_t>() : json.get<int64_t>());
  }
  void convert(const Json& json, const std::string& key, double& value) {
    expect(json.is_number(), json, key, "a number");
    value = json.get<double>();
  }
  void convert(const Json& json, const std::string& key, std::string& value) {
    expect(json.is_string(), json, key, "a string");
    value = json.get<std::string>();
  }
  void convert(const Json& json, const std::string&, Json& value) { value = json; }
  template <class T>
  void convert(const Json& json, const std::string& key, std::optional<T>& value) {
    convert(json, key, value.emplace());
  }
  template <class T>
  void convert(const Json& json, const std::string& key, std::vector<T>& value) {
    expect(json.is_array(), json, key, "a list");
    value.clear();
    for (const Json& item : json) {
      T element{};
      convert(item, key, element);
      value.push_back(std::move(element));
    }
  }
  void expect(bool ok, const Json& json, const std::string& key, std::string_view kind) const {
    if (!ok) {
      fail<E>("{}: {}: expected {}, found {}", where_, key, kind, json_excerpt(json));
    }
  }
  static std::string suggestion(const std::string& word, const std::vector<std::string>& words);

  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

/// `; did you mean "..."?` for the nearest of `words`, or nothing when none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& words);

template <class E>
std::string JsonReader<E>::suggestion(const std::string& word,
                                      const std::vector<std::string>& words) {
  return did_you_mean(word, words);
}

}  // namespace peft
