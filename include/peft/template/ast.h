#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "peft/template/value.h"

namespace peft {

enum class ExpressionKind {
  kConstant,   ///< constant
  kName,       ///< name
  kCaptured,   ///< the text of the block that a filter or set block encloses
  kList,       ///< parts
  kTuple,      ///< parts
  kDict,       ///< parts: key, value, key, value, ...
  kAttribute,  ///< parts[0].name
  kItem,       ///< parts[0][parts[1]]
  kSlice,      ///< parts[0][parts[1] : parts[2] : parts[3]], null where left out
  kCall,       ///< parts[0](parts[1...], named...)
  kFilter,     ///< parts[0] | name(parts[1...], named...)
  kTest,       ///< parts[0] is name(parts[1...], named...)
  kNot,        ///< not parts[0]
  kNegative,   ///< -parts[0]
  kPositive,   ///< +parts[0]
  kAdd,        ///< parts[0] + parts[1], and so on
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kConcatenate,  ///< parts joined by ~
  kCompare,      ///< parts[0] comparisons[0] parts[1] comparisons[1] parts[2] ...
  kAnd,
  kOr,
  kConditional  ///< parts[1] if parts[0] else parts[2]; parts[2] may be null
};

enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct TemplateExpression;
using ExpressionPtr = std::unique_ptr<TemplateExpression>;

/// One node of an expression; which members count stands beside the kinds.
struct TemplateExpression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int64_t line = 0;
  int depth = 1;  ///< height of the tree below and including this node
  TemplateValue constant;
  std::string name;
  std::vector<ExpressionPtr> parts;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<Comparison> comparisons;
};

enum class StatementKind {
  kText,         ///< text
  kOutput,       ///< {{ expression }}
  kIf,           ///< branches
  kFor,          ///< for target in expression if condition: body, otherwise
  kSet,          ///< target = expression
  kSetBlock,     ///< target = body, through filters (expression, may be null)
  kMacro,        ///< macro text(signature): body
  kCall,         ///< call(signature) expression: body
  kFilterBlock,  ///< body through filters (expression)
  kWith,         ///< with_targets = with_values: body
  kGeneration,   ///< body, in a scope of its own
  kBreak,
  kContinue
};

struct TemplateStatement;
using StatementList = std::vector<std::unique_ptr<TemplateStatement>>;

/// `if` or `elif` with its body; `else` has no condition.
struct TemplateBranch {
  ExpressionPtr condition;
  StatementList body;
};

/// Parameters of a macro; the last `defaults.size()` of them have defaults.
struct MacroSignature {
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

/// One statement; which members count stands beside the kinds.
struct TemplateStatement {
  StatementKind kind = StatementKind::kText;
  int64_t line = 0;
  std::string text;
  ExpressionPtr target;
  ExpressionPtr expression;
  ExpressionPtr condition;
  bool uses_loop = false;  ///< the body of a for statement reads `loop`
  std::vector<TemplateBranch> branches;
  StatementList body;
  StatementList otherwise;
  std::vector<ExpressionPtr> with_targets, with_values;
  MacroSignature signature;
};

}  // namespace peft
