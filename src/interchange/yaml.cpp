#include "yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kMostNodes = 100'000;
constexpr int kDeepest = 64;

/// Builds the JSON of a document, counting what anchors multiply.
class YamlReader {
 public:
  YamlReader(const std::string& where, JsonPositions* positions)
      : where_(where), positions_(positions) {}

  Json read(const YAML::Node& node, const std::string& pointer, int depth);

 private:
  Json object(const YAML::Node& node, const std::string& pointer, int depth);

  [[noreturn]] void fail_at(const YAML::Mark& mark, const std::string& message) const {
    fail<UsageError>("{}:{}:{}: {}", where_, mark.line + 1, mark.column + 1, message);
  }

  const std::string& where_;
  JsonPositions* positions_;
  int64_t nodes_ = 0;
};

template <class T>
bool is_number(const std::string& text, T* value) {
  const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, *value);
  return error == std::errc() && stop == end && begin != end;
}

/// What a plain (not quoted) word means.
Json plain_value(const std::string& text) {
  static const std::set<std::string> kNull = {"", "~", "null"};
  static const std::set<std::string> kTrue = {"true", "yes", "on"};
  static const std::set<std::string> kFalse = {"false", "no", "off"};
  const std::string word = lower_ascii(text);
  if (kNull.count(word) > 0) {
    return nullptr;
  }
  if (kTrue.count(word) > 0 || kFalse.count(word) > 0) {
    return kTrue.count(word) > 0;
  }
  int64_t integer = 0;
  double number = 0.0;
  if (is_number(text, &integer)) {
    return integer;
  }
  const bool digits = text.find_first_of("0123456789") != std::string::npos;
  if (digits && is_number(text, &number)) {
    return number;
  }
  return text;
}

std::string member_pointer(const std::string& parent, const std::string& member) {
  std::string pointer = parent + "/";
  for (const char c : member) {
    pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return pointer;
}

Json YamlReader::read(const YAML::Node& node, const std::string& pointer, int depth) {
  if (++nodes_ > kMostNodes || depth > kDeepest) {
    fail_at(node.Mark(), fmt::format("expected at most {} values, {} deep", kMostNodes, kDeepest));
  }
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return node.Tag() == "!" ? Json(node.Scalar()) : plain_value(node.Scalar());
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (size_t i = 0; i < node.size(); ++i) {
        list.push_back(read(node[i], member_pointer(pointer, std::to_string(i)), depth + 1));
      }
      return list;
    }
    case YAML::NodeType::Map:
      return object(node, pointer, depth);
    default:
      return nullptr;
  }
}

Json YamlReader::object(const YAML::Node& node, const std::string& pointer, int depth) {
  Json result = Json::object();
  Json merged = Json::object();
  for (const auto& member : node) {
    if (!member.first.IsScalar()) {
      fail_at(member.first.Mark(), "expected a word as a key");
    }
    const std::string& key = member.first.Scalar();
    const std::string place = member_pointer(pointer, key);
    Json value = read(member.second, place, depth + 1);
    if (key == "<<" && value.is_object()) {
      merged = std::move(value);
      continue;
    }
    if (result.contains(key)) {
      fail_at(member.first.Mark(), fmt::format("the key \"{}\" appears twice", escaped(key)));
    }
    (*positions_)[place] = {member.first.Mark().line + 1, member.first.Mark().column + 1};
    result[key] = std::move(value);
  }
  for (const auto& [key, value] : merged.items()) {
    if (!result.contains(key)) {
      result[key] = value;
    }
  }
  return result;
}

}  // namespace

Json parse_yaml(const std::string& text, const std::string& where, JsonPositions* positions) {
  check<UsageError>(is_utf8(text), "{}: is not UTF-8", where);
  try {
    return YamlReader(where, positions).read(YAML::Load(text), "", 0);
  } catch (const YAML::Exception& problem) {
    fail<UsageError>("{}:{}:{}: {}", where, problem.mark.line + 1, problem.mark.column + 1,
                     escaped(problem.msg));
  }
}

}  // namespace peft
