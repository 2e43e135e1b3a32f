#include "peft/template/parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "peft/template/expression_parser.h"
#include "peft/util/error.h"

namespace peft {
namespace {

using Words = std::initializer_list<std::string_view>;
using StatementPtr = std::unique_ptr<TemplateStatement>;

class StatementParser {
 public:
  explicit StatementParser(std::string_view source) : in_(template_tokens(source)) {}

  StatementList run() {
    StatementList statements = list({});
    if (in_.current().kind != TokenKind::kEnd) {
      in_.fail_here("expected the end of the template");
    }
    return statements;
  }

 private:
  // Statements up to one of the words that may end them; that word is the current token then.
  StatementList list(Words ends) {
    const ExpressionParser::Nesting nesting(in_);
    StatementList statements;
    while (in_.current().kind != TokenKind::kEnd) {
      if (in_.current().kind == TokenKind::kText) {
        statements.push_back(make(StatementKind::kText));
        statements.back()->text = in_.take().text;
      } else if (in_.current().kind == TokenKind::kOutputBegin) {
        in_.take();
        statements.push_back(make(StatementKind::kOutput));
        statements.back()->expression = in_.tuple();
        in_.expect_kind(TokenKind::kOutputEnd, "\"}}\"");
      } else {
        in_.take();  // a block begins: nothing else can stand here
        if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return in_.is_name(end); })) {
          return statements;
        }
        statements.push_back(statement());
        in_.expect_kind(TokenKind::kBlockEnd, "\"%}\"");
      }
    }
    if (ends.size() > 0) {
      in_.fail_here(fmt::format("expected \"{}\"", *(ends.end() - 1)));
    }
    return statements;
  }

  // A body behind "%}" up to and with its end word; its last "%}" is left to `list`.
  StatementList body(std::string_view end) {
    in_.expect_kind(TokenKind::kBlockEnd, "\"%}\"");
    StatementList statements = list({end});
    in_.take();
    return statements;
  }

  StatementPtr make(StatementKind kind) const {
    auto made = std::make_unique<TemplateStatement>();
    made->kind = kind;
    made->line = in_.current().line;
    return made;
  }

  StatementPtr statement() {
    static constexpr std::pair<std::string_view, StatementPtr (StatementParser::*)()> kTags[] = {
        {"if", &StatementParser::if_tag},
        {"for", &StatementParser::for_tag},
        {"set", &StatementParser::set_tag},
        {"macro", &StatementParser::macro_tag},
        {"call", &StatementParser::call_tag},
        {"filter", &StatementParser::filter_tag},
        {"with", &StatementParser::with_tag},
        {"generation", &StatementParser::generation_tag},
        {"print", &StatementParser::print_tag},
        {"break", &StatementParser::loop_control},
        {"continue", &StatementParser::loop_control}};
    for (const auto& [tag, parse] : kTags) {
      if (in_.is_name(tag)) {
        return (this->*parse)();
      }
    }
    in_.fail_here("expected a tag we know");
  }

  StatementPtr if_tag() {
    StatementPtr made = make(StatementKind::kIf);
    const ExpressionParser::Branch branch_around(in_);
    bool otherwise = false;
    do {
      in_.take();
      TemplateBranch branch;
      branch.condition = otherwise ? nullptr : in_.tuple(/*with_conditional=*/false);
      in_.expect_kind(TokenKind::kBlockEnd, "\"%}\"");
      branch.body = otherwise ? list({"endif"}) : list({"elif", "else", "endif"});
      made->branches.push_back(std::move(branch));
      otherwise = in_.is_name("else");
    } while (!in_.is_name("endif"));
    in_.take();
    return made;
  }

  StatementPtr for_tag() {
    StatementPtr made = make(StatementKind::kFor);
    in_.take();
    made->target = in_.target(/*with_attribute=*/false, "in");
    if (!in_.skip_name("in")) {
      in_.fail_here("expected \"in\"");
    }
    made->expression = in_.tuple(/*with_conditional=*/false, "recursive");
    if (in_.skip_name("if")) {
      made->condition = in_.expression();
    }
    if (in_.is_name("recursive")) {
      in_.fail_here("recursive loops are not supported");
    }
    in_.expect_kind(TokenKind::kBlockEnd, "\"%}\"");
    std::vector<std::string> outer = in_.take_names();
    ++loops_;
    made->body = list({"else", "endfor"});
    --loops_;
    const std::vector<std::string> inner = in_.take_names();
    made->uses_loop = std::find(inner.begin(), inner.end(), "loop") != inner.end();
    in_.add_names(outer);
    in_.add_names(inner);
    if (in_.is_name("else")) {
      in_.take();
      made->otherwise = body("endfor");
    } else {
      in_.take();
    }
    return made;
  }

  StatementPtr set_tag() {
    StatementPtr made = make(StatementKind::kSet);
    in_.take();
    made->target = in_.target(/*with_attribute=*/true);
    if (in_.skip_operator("=")) {
      made->expression = in_.tuple();
      return made;
    }
    made->kind = StatementKind::kSetBlock;
    if (in_.skip_operator("|")) {
      made->expression = in_.filters(in_.captured());
    }
    made->body = body("endset");
    return made;
  }

  StatementPtr macro_tag() {
    StatementPtr made = make(StatementKind::kMacro);
    in_.take();
    made->text = in_.expect_name();
    signature(made->signature);
    macro_body(*made, "endmacro");
    return made;
  }

  StatementPtr call_tag() {
    StatementPtr made = make(StatementKind::kCall);
    in_.take();
    if (in_.is_operator("(")) {
      signature(made->signature);
    }
    made->expression = in_.expression();
    if (made->expression->kind != ExpressionKind::kCall) {
      in_.fail_here("expected a call in front");
    }
    macro_body(*made, "endcall");
    return made;
  }

  void signature(MacroSignature& signature) {
    in_.expect_operator("(");
    while (!in_.is_operator(")")) {
      signature.parameters.push_back(in_.expect_name());
      if (in_.skip_operator("=")) {
        signature.defaults.push_back(in_.expression());
      } else if (!signature.defaults.empty()) {
        in_.fail_here("expected a default behind a parameter with a default");
      }
      if (!in_.skip_operator(",")) {
        break;
      }
    }
    in_.expect_operator(")");
  }

  // A macro takes `caller`, `varargs` and `kwargs` only if its body names them.
  void macro_body(TemplateStatement& macro, std::string_view end) {
    const std::vector<std::string> outer = in_.take_names();
    const int loops = std::exchange(loops_, 0);
    macro.body = body(end);
    loops_ = loops;
    const std::vector<std::string> inner = in_.take_names();
    const auto uses = [&](std::string_view name) {
      return std::find(inner.begin(), inner.end(), name) != inner.end();
    };
    macro.signature.uses_caller = uses("caller");
    macro.signature.uses_varargs = uses("varargs");
    macro.signature.uses_kwargs = uses("kwargs");
    in_.add_names(outer);
    in_.add_names(inner);
  }

  StatementPtr filter_tag() {
    StatementPtr made = make(StatementKind::kFilterBlock);
    in_.take();
    made->expression = in_.filters(in_.captured());
    made->body = body("endfilter");
    return made;
  }

  StatementPtr with_tag() {
    StatementPtr made = make(StatementKind::kWith);
    in_.take();
    while (in_.current().kind != TokenKind::kBlockEnd) {
      if (!made->with_targets.empty()) {
        in_.expect_operator(",");
      }
      // Without parentheses a comma would begin the next pair.
      ExpressionPtr target = in_.target(/*with_attribute=*/false);
      in_.expect_operator("=");
      made->with_targets.push_back(std::move(target));
      made->with_values.push_back(in_.expression());
    }
    made->body = body("endwith");
    return made;
  }

  StatementPtr generation_tag() {
    StatementPtr made = make(StatementKind::kGeneration);
    in_.take();
    made->body = body("endgeneration");
    return made;
  }

  StatementPtr print_tag() {
    StatementPtr made = make(StatementKind::kOutput);
    in_.take();
    made->expression = in_.tuple();
    return made;
  }

  StatementPtr loop_control() {
    if (loops_ == 0) {
      in_.fail_here("expected no \"break\" or \"continue\" outside a loop");
    }
    StatementPtr made =
        make(in_.is_name("break") ? StatementKind::kBreak : StatementKind::kContinue);
    in_.take();
    return made;
  }

  ExpressionParser in_;
  int loops_ = 0;  // for statements around the current one, up to the enclosing macro
};

}  // namespace

StatementList parse_template(std::string_view source) {
  return StatementParser(source).run();
}

}  // namespace peft
