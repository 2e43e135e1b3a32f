#include "peft/template/context.h"

#include <algorithm>

#include "peft/template/operations.h"
#include "peft/util/text.h"

namespace peft {

TemplateContext::TemplateContext(const TemplateLimits& limits)
    : limits_(limits), fuel_(limits.fuel), range_items_(limits.range_items) {}

TemplateContext::~TemplateContext() {
  for (const auto& name_space : namespaces_) {
    name_space->attributes.clear();
  }
}

void TemplateContext::spend_range(int64_t items) {
  range_items_ -= items;
  if (range_items_ < 0) {
    unsupported(fmt::format("range() gave more than {} items", with_commas(limits_.range_items)));
  }
  expect_items(static_cast<size_t>(items));
}

void TemplateContext::spend_value(const TemplateValue& value) {
  if (value.is_text()) {
    spend_bytes(value.text().size());
  } else if (value.is(SequenceKind::kTuple)) {
    spend(4 * TemplateDict::kKeyBytes);
  }
}

void TemplateContext::spend_search(size_t text_bytes, size_t part_bytes) {
  // The library's search is linear for long parts and, at worst, quadratic for short ones.
  spend_bytes(text_bytes * (1 + std::min<size_t>(part_bytes, 256) / 16));
}

void TemplateContext::check_text(size_t bytes) const {
  if (bytes > limits_.text_bytes) {
    unsupported(fmt::format("a text grew beyond {} bytes",
                            with_commas(static_cast<int64_t>(limits_.text_bytes))));
  }
}

void TemplateContext::expect_text(size_t bytes) {
  check_text(bytes);
  spend_bytes(bytes);
}

TemplateValue TemplateContext::text(std::string value) {
  expect_text(value.size());
  return TemplateValue::text(std::move(value));
}

TemplateValue TemplateContext::sequence(SequenceKind kind, std::vector<TemplateValue> items) {
  expect_items(items.size());
  TemplateValue made = TemplateValue::sequence(kind, std::move(items));
  check_depth(made);
  return made;
}

TemplateValue TemplateContext::list(std::vector<TemplateValue> items) {
  return sequence(SequenceKind::kList, std::move(items));
}

TemplateValue TemplateContext::generator(std::vector<TemplateValue> items) {
  return sequence(SequenceKind::kGenerator, std::move(items));
}

TemplateValue TemplateContext::dict(TemplateDict value) {
  expect_items(4 * value.entries().size());
  TemplateValue made = TemplateValue::dict(std::move(value));
  check_depth(made);
  return made;
}

TemplateValue TemplateContext::name_space(TemplateDict attributes) {
  expect_items(25 + 4 * attributes.entries().size());
  auto made = std::make_shared<TemplateNamespace>();
  made->attributes = std::move(attributes);
  namespaces_.push_back(made);
  return TemplateValue::of(std::move(made));
}

void TemplateContext::check_depth(const TemplateValue& value) const {
  if (value.depth() > kTemplateValueDepth) {
    unsupported(fmt::format("lists and dicts nested deeper than {}", kTemplateValueDepth));
  }
}

void TemplateContext::unsupported(std::string_view what) const {
  fail<ModelError>("chat template: line {}: {}", line_, what);
}

void TemplateContext::refuse(std::string_view what) const {
  fail<DataError>("chat template: line {}: {}", line_, what);
}

void TemplateContext::out_of_fuel() const {
  unsupported(fmt::format("gave up after {} steps; the template does not seem to end",
                          with_commas(limits_.fuel)));
}

TemplateContext::Nesting::Nesting(TemplateContext& context, int& level, int limit,
                                  std::string_view what)
    : level_(level) {
  if (level_ >= limit) {
    context.unsupported(fmt::format("{} nested deeper than {}", what, limit));
  }
  ++level_;
}

BoundArguments::BoundArguments(const TemplateContext& context, std::string_view callee,
                               const TemplateArguments& arguments,
                               std::initializer_list<std::string_view> parameters, size_t required)
    : context_(context), callee_(callee), values_(parameters.size(), nullptr) {
  if (arguments.positional.size() > parameters.size()) {
    context.unsupported(fmt::format("{}: expected at most {} arguments, found {}", callee,
                                    parameters.size(), arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = &arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    const auto place = static_cast<size_t>(found - parameters.begin());
    if (found == parameters.end() || values_[place] != nullptr) {
      context.unsupported(fmt::format("{}: {} argument \"{}\"", callee,
                                      found == parameters.end() ? "unknown" : "doubled", name));
    }
    values_[place] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) {
      context.unsupported(
          fmt::format("{}: argument \"{}\" is missing", callee, *(parameters.begin() + i)));
    }
  }
}

bool BoundArguments::flag(size_t parameter) const {
  return values_[parameter] != nullptr && is_true(*values_[parameter]);
}

TemplateValue BoundArguments::value_or(size_t parameter, TemplateValue otherwise) const {
  return values_[parameter] == nullptr ? std::move(otherwise) : *values_[parameter];
}

int64_t BoundArguments::integer_or(size_t parameter, int64_t otherwise) const {
  const TemplateValue* value = values_[parameter];
  if (value == nullptr || value->is_none()) {
    return otherwise;
  }
  if (!value->as_integer()) {
    context_.unsupported(
        fmt::format("{}: expected an integer, found {}", callee_, value->type_name()));
  }
  return *value->as_integer();
}

std::string BoundArguments::text_or(size_t parameter, std::string_view otherwise) const {
  const TemplateValue* value = values_[parameter];
  if (value == nullptr || value->is_none()) {
    return std::string(otherwise);
  }
  if (!value->is_text()) {
    context_.unsupported(
        fmt::format("{}: expected a string, found {}", callee_, value->type_name()));
  }
  return value->text();
}

}  // namespace peft
