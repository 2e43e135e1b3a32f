#include "peft/util/json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

#include "peft/util/text.h"

namespace peft {
namespace {

/// Builds the document while checking what nlohmann's own builder lets pass: duplicate keys, depth,
/// and integers that silently became floating-point numbers.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  /// `key_offsets` is null when nobody wants to know where the keys stand.
  StrictBuilder(const JsonLimits& limits, const std::vector<size_t>* key_offsets)
      : limits_(limits), key_offsets_(key_offsets) {}

  Json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }
  size_t problem_offset() const { return problem_offset_; }
  /// Which key is at fault, counted in the order of the text.
  std::optional<size_t> problem_key() const { return problem_key_; }
  std::vector<std::pair<std::string, size_t>>& pointers() { return pointers_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (!limits_.huge_integers && text.find_first_of(".eE") == std::string::npos) {
      return refuse(fmt::format("the integer {} is out of range", text));
    }
    return add(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("binary values are not JSON"); }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const size_t offset = key_offset();
    ++key_count_;
    if (!keys_.back().insert(name).second) {
      problem_key_ = key_count_ - 1;
      return refuse(fmt::format("the key \"{}\" appears twice", escaped(name)));
    }
    key_ = name;
    if (key_offsets_ != nullptr) {
      pointers_.emplace_back(pointer() + "/" + escape_pointer(name), offset);
    }
    return true;
  }

  bool parse_error(std::size_t offset, const std::string&,
                   const nlohmann::detail::exception& error) override {
    problem_offset_ = offset > 0 ? offset - 1 : 0;
    const std::string text = error.what();
    const size_t begin = text.find(": ");  // after "[json.exception...] parse error at line ..."
    return refuse(begin == std::string::npos ? text : text.substr(begin + 2));
  }

 private:
  /// Where the key just read stands, if that is wanted.
  size_t key_offset() const {
    return key_offsets_ != nullptr && key_count_ < key_offsets_->size()
               ? (*key_offsets_)[key_count_]
               : 0;
  }

  static std::string escape_pointer(const std::string& name) {
    std::string text;
    for (const char c : name) {
      text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return text;
  }

  std::string pointer() const {
    std::string text;
    for (const std::string& part : path_) {
      text += part;
    }
    return text;
  }

  bool refuse(std::string problem) {
    if (problem_.empty()) {
      problem_ = std::move(problem);
    }
    return false;
  }

  Json* add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& top = *stack_.back();
    if (top.is_array()) {
      top.push_back(std::move(value));
      return &top.back();
    }
    // Appended without looking for the key once more: `key` has seen that it is new, and an ordered
    // object searches from its beginning.
    auto& members = top.get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }
  template <class T>
  bool add(T&& value) {
    return add(Json(std::forward<T>(value))) != nullptr;
  }

  bool open(Json container) {
    if (static_cast<int>(stack_.size()) >= limits_.depth) {
      return refuse(fmt::format("nested deeper than {} levels", limits_.depth));
    }
    std::string part;
    if (key_offsets_ != nullptr && !stack_.empty()) {
      part = stack_.back()->is_array() ? "/" + std::to_string(stack_.back()->size())
                                       : "/" + escape_pointer(key_);
    }
    Json* const added = add(std::move(container));
    stack_.push_back(added);
    keys_.emplace_back();
    path_.push_back(std::move(part));
    return true;
  }

  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    path_.pop_back();
    return true;
  }

  JsonLimits limits_;
  const std::vector<size_t>* key_offsets_;
  size_t key_count_ = 0;
  Json root_;
  std::vector<Json*> stack_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the open objects
  std::vector<std::string> path_;
  std::string key_;
  std::string problem_;
  size_t problem_offset_ = 0;
  std::optional<size_t> problem_key_;
  std::vector<std::pair<std::string, size_t>> pointers_;
};

/// Byte offsets of the opening quotes of all object keys, in order. nlohmann's SAX interface does
/// not say where a key stands, so strings are scanned once more: a key is a string before a colon.
std::vector<size_t> key_offsets(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '"') {
      continue;
    }
    const size_t begin = i;
    for (++i; i < text.size() && text[i] != '"'; ++i) {
      i += text[i] == '\\';
    }
    size_t next = i + 1;
    while (next < text.size() && std::strchr(" \t\r\n", text[next]) != nullptr) {
      ++next;
    }
    if (next < text.size() && text[next] == ':') {
      offsets.push_back(begin);
    }
  }
  return offsets;
}

JsonPosition position_of(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t newline = before.rfind('\n');
  return {1 + std::count(before.begin(), before.end(), '\n'),
          static_cast<int64_t>(newline == std::string_view::npos ? before.size() + 1
                                                                 : before.size() - newline)};
}

}  // namespace

Json parse_json(std::string_view text, const JsonLimits& limits, std::optional<JsonFault>* fault,
                JsonPositions* positions) {
  fault->reset();
  if (text.size() > limits.bytes) {
    *fault = JsonFault{
        fmt::format("expected at most {} bytes, found {}", limits.bytes, text.size()), {1, 1}};
    return nullptr;
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    *fault = JsonFault{"starts with a byte-order mark; save the file as plain UTF-8", {1, 1}};
    return nullptr;
  }
  const std::vector<size_t> offsets =
      positions != nullptr ? key_offsets(text) : std::vector<size_t>{};
  StrictBuilder builder(limits, positions != nullptr ? &offsets : nullptr);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    const size_t offset = builder.problem_key() ? key_offsets(text).at(*builder.problem_key())
                                                : builder.problem_offset();
    *fault = JsonFault{builder.problem(), position_of(text, offset)};
    return nullptr;
  }
  if (positions != nullptr) {
    for (const auto& [pointer, offset] : builder.pointers()) {
      (*positions)[pointer] = position_of(text, offset);
    }
  }
  return builder.take();
}

std::string read_text(const std::filesystem::path& file, size_t limit, std::string* problem) {
  const auto give_up = [&](std::string why) {
    *problem = std::move(why);
    return std::string();
  };
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return give_up(errno == ENOENT ? "no such file" : std::strerror(errno));
  }
  struct stat status {};
  std::string text;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    *problem = "not a regular file";
  } else if (static_cast<size_t>(status.st_size) > limit) {
    *problem = fmt::format("expected at most {} bytes, found {}", limit, status.st_size);
  } else {
    text.resize(static_cast<size_t>(status.st_size));
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = ::read(descriptor, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        *problem = count < 0 ? std::strerror(errno) : "became shorter while it was read";
        break;
      }
      done += static_cast<size_t>(count);
    }
  }
  ::close(descriptor);
  return problem->empty() ? text : std::string();
}

std::string json_kind(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "an integer";
    case Json::value_t::number_float:
      return "a number";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::object:
      return "an object";
    default:
      return "null";
  }
}

namespace {

constexpr size_t kExcerpt = 60;

std::string dumped(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Appends the JSON text of a value, but little more than kExcerpt bytes of it: messages are put
/// together for every check, also for one that holds.
void append_start(const Json& value, std::string& text) {
  if (text.size() > kExcerpt) {
    return;
  }
  if (value.is_string()) {
    text += dumped(value.get_ref<const std::string&>().substr(0, kExcerpt + 4));
  } else if (value.is_structured()) {
    text += value.is_array() ? '[' : '{';
    const char* between = "";
    for (const auto& [key, member] : value.items()) {
      text += between + (value.is_array() ? "" : dumped(key) + ":");
      append_start(member, text);
      between = ",";
    }
    text += value.is_array() ? ']' : '}';
  } else {
    text += dumped(value);
  }
}

}  // namespace

std::string json_excerpt(const Json& value) {
  if (value.is_structured() && value.size() > 8) {
    return json_kind(value);
  }
  std::string text;
  append_start(value, text);
  return text.size() <= kExcerpt ? text : text.substr(0, kExcerpt - 3) + "...";
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& words) {
  const std::string lower = lower_ascii(word);
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : words) {
    const size_t distance = edit_distance(lower, lower_ascii(candidate));
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : fmt::format("; did you mean \"{}\"?", *best);
}

}  // namespace peft
