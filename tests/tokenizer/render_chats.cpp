// Renders chat templates for scripts/template_check: reads one JSON request a line and answers each
// with one line. A request is {"template", "tokens", "messages", "tools", "add_generation_prompt"},
// or {"template", "variables"} for a template that is no chat's; without "template" the last one is
// meant. An answer is {"text"}, {"raised"} with the words of raise_exception, {"refused"} where the
// template does not fit its variables, or {"unsupported"}.

#include <iostream>
#include <memory>
#include <string>

#include "peft/template/renderer.h"
#include "peft/tokenizer/chat_template.h"

namespace {

using peft::Json;

class Renderer {
 public:
  Json answer(const Json& request) {
    try {
      read_template(request);
      return {{"text", chat_ ? render_chat(request) : render(request.at("variables"))}};
    } catch (const peft::DataError& error) {
      const std::string_view text = error.what();
      const std::string_view raised = "the chat template refuses this conversation: ";
      return {{text.starts_with(raised) ? "raised" : "refused",
               text.substr(text.starts_with(raised) ? raised.size() : 0)}};
    } catch (const peft::Error& error) {
      return {{"unsupported", error.what()}};
    }
  }

 private:
  void read_template(const Json& request) {
    if (!request.contains("template")) {
      return;
    }
    chat_.reset();
    plain_.reset();
    const auto source = request.at("template").get<std::string>();
    if (request.contains("variables")) {
      plain_ = std::make_unique<peft::JinjaTemplate>(source);
      return;
    }
    peft::SpecialTokens special;
    const Json tokens = request.value("tokens", Json::object());
    special.bos_text = tokens.value("bos_token", "");
    special.eos_text = tokens.value("eos_token", "");
    special.unk_text = tokens.value("unk_token", "");
    special.pad_text = tokens.value("pad_token", "");
    chat_ = std::make_unique<peft::ChatTemplate>(source, special);
  }

  std::string render_chat(const Json& request) const {
    return chat_->render(request.at("messages"), request.value("tools", Json()),
                         request.value("add_generation_prompt", false));
  }

  std::string render(const Json& named) const {
    std::vector<std::pair<std::string, peft::TemplateValue>> variables;
    for (const auto& [name, value] : named.items()) {
      variables.emplace_back(name, peft::TemplateValue::from_json(value));
    }
    if (!plain_) {
      peft::fail<peft::ModelError>("the template could not be read");
    }
    return plain_->render(variables);
  }

  std::unique_ptr<peft::ChatTemplate> chat_;
  std::unique_ptr<peft::JinjaTemplate> plain_;
};

}  // namespace

int main() {
  Renderer renderer;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line);
    std::cout << renderer.answer(request).dump() << '\n' << std::flush;
  }
}
