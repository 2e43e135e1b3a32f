#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "peft/util/json.h"

namespace peft {

/// Conversations of every kind, the same ones every time; scripts/fixtures/fuzzed_chats.py makes
/// them in Python.
class FuzzedChat {
 public:
  explicit FuzzedChat(uint64_t number) : state_(number) {
    const uint64_t kind = below(8);
    if (kind == 0) {
      fill(messages, below(5), [&] { return odd_message(); });
    } else if (kind == 1) {
      fill(messages, 1 + below(5), [&] { return message(pick(kOddRoles)); });
    } else {
      usual();
    }
    if (below(3) == 0) {
      tools = Json::array();
      const uint64_t count = 1 + below(2);
      for (uint64_t i = 0; i < count; ++i) {
        tools.push_back(tool(i));
      }
    }
    add_generation_prompt = below(2) == 1;
  }

  Json messages = Json::array();
  Json tools;  ///< a list or null
  bool add_generation_prompt = false;

 private:
  /// SplitMix64 (Steele, Lea and Flood 2014).
  uint64_t below(uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31)) % bound;
  }

  template <class T, size_t N>
  T pick(const std::array<T, N>& items) {
    return items[below(N)];
  }

  template <class One>
  void fill(Json& list, uint64_t count, const One& one) {
    for (uint64_t i = 0; i < count; ++i) {
      list.push_back(one());
    }
  }

  std::string text() {
    std::string made;
    const uint64_t count = below(5);
    for (uint64_t i = 0; i < count; ++i) {
      made += pick(kWords);
    }
    return made;
  }

  void usual() {
    if (below(2) == 0) {
      messages.push_back(message("system"));
    }
    const uint64_t rounds = 1 + below(3);
    for (uint64_t i = 0; i < rounds; ++i) {
      messages.push_back(message("user"));
      if (below(5) == 0) {
        exchange_with_tools();
      }
      if (below(6) > 0) {
        messages.push_back(message("assistant"));
      }
    }
  }

  void exchange_with_tools() {
    Json caller = message("assistant");
    Json calls = Json::array();
    fill(calls, 1 + below(2), [&] { return call(); });
    caller["tool_calls"] = calls;
    messages.push_back(std::move(caller));
    for (const Json& one : calls) {
      Json result = message("tool");
      result["tool_call_id"] = one.value("id", "");
      messages.push_back(std::move(result));
    }
  }

  Json message(std::string_view role) {
    Json made = {{"role", role}};
    made["content"] = content();
    if (role == "assistant" && below(6) == 0) {
      const std::string name(pick(kReasoning));
      made[name] = text();
    }
    return made;
  }

  Json odd_message() {
    Json made = message(pick(kOddRoles));
    const uint64_t kind = below(5);
    if (kind == 0) {
      made.erase("content");
    } else if (kind == 1) {
      made.erase("role");
    } else if (kind == 2) {
      made["tool_calls"] = nullptr;
    }
    return made;
  }

  Json content() {
    const uint64_t kind = below(24);
    if (kind == 0) {
      return nullptr;
    }
    if (kind == 1) {
      const std::string first = text();
      const std::string last = text();
      return {{{"type", "text"}, {"text", first}},
              {{"type", "image"}},
              {{"type", "text"}, {"text", last}}};
    }
    if (kind == 2) {
      Json made = {{"content", text()}};
      made["n"] = below(9);
      return made;
    }
    return text();
  }

  Json call() {
    Json function = {{"name", pick(kFunctions)}};
    function["arguments"] = below(6) == 0 ? Json(text()) : mapping(0);
    if (below(8) == 0) {
      return function;
    }
    const std::string_view identifier = below(8) == 0 ? pick(kIdentifiers) : kIdentifiers[0];
    return {{"type", "function"}, {"id", identifier}, {"function", function}};
  }

  Json mapping(int depth) {
    Json made = Json::object();
    const uint64_t count = below(4);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string name(pick(kNames));
      made[name] = value(depth + 1);
    }
    return made;
  }

  Json value(int depth) {
    const uint64_t kind = below(depth < 3 ? 8 : 6);
    if (kind == 0) {
      return nullptr;
    }
    if (kind == 1) {
      return below(2) == 1;
    }
    if (kind == 2) {
      return static_cast<int64_t>(below(1000)) - 500;
    }
    if (kind == 3) {
      return pick(kNumbers);
    }
    if (kind < 6) {
      return text();
    }
    if (kind == 6) {
      Json list = Json::array();
      fill(list, below(3), [&] { return value(depth + 1); });
      return list;
    }
    return mapping(depth);
  }

  Json tool(uint64_t number) {
    Json parameters = {{"type", "object"}, {"properties", Json::object()}};
    const uint64_t count = below(4);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string name(pick(kNames));
      parameters["properties"][name] = schema(0);
    }
    if (below(2) == 0) {
      parameters["required"] = Json::array({pick(kNames)});
    }
    Json function = {{"name", number == 0 ? "first" : "second"}};
    function["description"] = text();
    function["parameters"] = std::move(parameters);
    if (below(4) == 0) {
      function["return"] = {{"type", "string"}, {"description", text()}};
    }
    return {{"type", "function"}, {"function", std::move(function)}};
  }

  Json schema(int depth) {
    const uint64_t kind = below(depth < 2 ? 6 : 3);
    if (kind == 0) {
      Json made = {{"type", pick(kTypes)}};
      made["description"] = text();
      return made;
    }
    if (kind == 1) {
      Json made = {{"type", "string"}};
      made["enum"] = Json::array({"C", text()});
      made["default"] = value(2);
      return made;
    }
    if (kind == 2) {
      return {{"type", {"integer", "null"}}, {"nullable", true}};
    }
    if (kind == 3) {
      return {{"type", "array"}, {"items", schema(depth + 1)}};
    }
    if (kind == 4) {
      const std::string name(pick(kNames));
      Json properties = Json::object();
      properties[name] = schema(depth + 1);
      return {
          {"type", "object"}, {"properties", std::move(properties)}, {"required", Json::array()}};
    }
    return {{"oneOf", Json::array({schema(depth + 1), {{"type", "string"}}})}};
  }

  static constexpr std::array<std::string_view, 34> kWords = {
      "",         " ",           "\n",        "\n\n",       "  Hi",   "there ",
      "a b  c",   "é😀",          "日本語",    "<|im_end|>", "</s>",   "<think>\nhm\n</think>\n\n",
      "<think>",  "</think>x",   "\"q\"",     "it's",       "\\",     "{}",
      "{{ x }}",  "<b>&",        "\r\n",      "\t",         "\u00a0", "\u2028",
      "\x7f",     "\x1b",        "/no_think", "/think",     "#",      "1.5",
      "The end.", "<|channel|>", "true",      "🇩🇪"};
  static constexpr std::array<std::string_view, 6> kNames = {"place", "unit", "days",
                                                             "é",     "x y",  "on"};
  static constexpr std::array<double, 5> kNumbers = {0.5, -1.25, 3.0, 1e16, 100.0};
  static constexpr std::array<std::string_view, 10> kOddRoles = {
      "system",    "user",   "assistant",    "tool",  "ipython",
      "developer", "SYSTEM", "tool_results", "model", ""};
  static constexpr std::array<std::string_view, 3> kReasoning = {"reasoning_content", "thinking",
                                                                 "reasoning"};
  static constexpr std::array<std::string_view, 2> kFunctions = {"f", "get_weather"};
  static constexpr std::array<std::string_view, 3> kIdentifiers = {"a1b2c3d4e", "call00001",
                                                                   "short"};
  static constexpr std::array<std::string_view, 4> kTypes = {"string", "integer", "number",
                                                             "boolean"};

  uint64_t state_;
};

}  // namespace peft
