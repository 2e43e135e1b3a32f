#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "peft/template/value.h"

namespace peft {

/// Bounds on one rendering; templates come with checkpoints and are not trusted.
struct TemplateLimits {
  int64_t fuel = 10'000'000;            ///< evaluated nodes, touched items, and bytes / 16
  int64_t range_items = 1'000'000;      ///< of all range() calls together
  size_t text_bytes = size_t{8} << 20;  ///< of the output and of each string
  int macro_depth = 64;                 ///< macros that call each other
  int depth = 1200;                     ///< nested nodes under evaluation
};

/// One rendering's account: what it may still spend, where it stands, what it must free.
class TemplateContext {
 public:
  explicit TemplateContext(const TemplateLimits& limits = {});
  ~TemplateContext();
  TemplateContext(const TemplateContext&) = delete;
  TemplateContext& operator=(const TemplateContext&) = delete;

  /// The line of the template that errors name from now on.
  void at(int64_t line) { line_ = line; }
  int64_t line() const { return line_; }
  const TemplateLimits& limits() const { return limits_; }

  /// Takes fuel; throws ModelError when there is none left.
  void spend(int64_t nodes) {
    fuel_ -= nodes;
    if (fuel_ < 0) {
      out_of_fuel();
    }
  }
  /// Pays for reading or writing so many bytes of text.
  void spend_bytes(size_t bytes) { spend(1 + static_cast<int64_t>(bytes / 16)); }
  /// Pays for looking at each character of a text.
  void spend_characters(size_t bytes) { spend(1 + static_cast<int64_t>(bytes / 2)); }
  /// Pays for a range() of so many items.
  void spend_range(int64_t items);

  /// Pays for copying or hashing a value that is handed to a built-in.
  void spend_value(const TemplateValue& value);
  /// Pays for looking for a part in a text.
  void spend_search(size_t text_bytes, size_t part_bytes);

  /// Throws ModelError for a text of more bytes than the limit.
  void check_text(size_t bytes) const;
  /// Checks and pays for a text before it is built.
  void expect_text(size_t bytes);
  /// Pays for a list of so many items before it is built.
  void expect_items(size_t items) {
    spend(1 + 4 * static_cast<int64_t>(std::min(items, size_t{1} << 60)));
  }

  /// New values, paid for, with their size and depth checked.
  TemplateValue text(std::string value);
  TemplateValue sequence(SequenceKind kind, std::vector<TemplateValue> items);
  TemplateValue list(std::vector<TemplateValue> items);
  TemplateValue generator(std::vector<TemplateValue> items);
  TemplateValue dict(TemplateDict value);
  TemplateValue name_space(TemplateDict attributes);

  /// Throws ModelError: the template does what it must not or what we do not know.
  [[noreturn]] void unsupported(std::string_view what) const;
  /// Throws DataError: the template does not fit this conversation.
  [[noreturn]] void refuse(std::string_view what) const;

  /// Counts one level of nesting while it lives; throws ModelError beyond the limit.
  class Nesting {
   public:
    Nesting(TemplateContext& context, int& level, int limit, std::string_view what);
    ~Nesting() { --level_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    int& level_;
  };
  Nesting enter_node() { return {*this, node_depth_, limits_.depth, "expressions"}; }
  Nesting enter_macro() { return {*this, macro_depth_, limits_.macro_depth, "macro calls"}; }

 private:
  [[noreturn]] void out_of_fuel() const;
  void check_depth(const TemplateValue& value) const;

  TemplateLimits limits_;
  int64_t fuel_;
  int64_t range_items_;
  int64_t line_ = 1;
  int node_depth_ = 0;
  int macro_depth_ = 0;
  // Namespaces can hold each other in a ring; they are emptied when the rendering ends.
  std::vector<std::shared_ptr<TemplateNamespace>> namespaces_;
};

/// Arguments matched to the names of a built-in's parameters.
class BoundArguments {
 public:
  /// Throws ModelError for too many, unknown, doubled or missing arguments.
  BoundArguments(const TemplateContext& context, std::string_view callee,
                 const TemplateArguments& arguments,
                 std::initializer_list<std::string_view> parameters, size_t required = 0);

  /// Null when the call left it out.
  const TemplateValue* operator[](size_t parameter) const { return values_[parameter]; }
  /// The argument, or `otherwise` when the call left it out.
  TemplateValue value_or(size_t parameter, TemplateValue otherwise) const;
  /// Python's truth of the argument; false when left out.
  bool flag(size_t parameter) const;
  /// An int argument; throws ModelError for another type. None counts as left out.
  int64_t integer_or(size_t parameter, int64_t otherwise) const;
  /// A str argument; throws ModelError for another type. None counts as left out.
  std::string text_or(size_t parameter, std::string_view otherwise) const;

 private:
  const TemplateContext& context_;
  std::string callee_;
  std::vector<const TemplateValue*> values_;
};

}  // namespace peft
