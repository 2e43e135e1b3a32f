#include <gtest/gtest.h>

#include "peft/util/json.h"
#include "template/rendering.h"

namespace peft {
namespace {

// Templates of one construct each, with what the reference renders or refuses.
class Constructs : public testing::Test {
 protected:
  Constructs()
      : fixture_(
            read_json<ModelError>(PEFT_SOURCE_DIR "/tests/fixtures/template/constructs.json")) {
    for (const auto& [name, value] : fixture_["variables"].items()) {
      variables_.emplace_back(name, TemplateValue::from_json(value));
    }
  }

  Json fixture_;
  TemplateVariables variables_;
};

TEST_F(Constructs, RenderAsTheReferenceDoes) {
  for (const Json& entry : fixture_["cases"]) {
    if (entry.contains("text")) {
      const auto source = entry["template"].get<std::string>();
      EXPECT_EQ(rendered(source, variables_), entry["text"].get<std::string>()) << source;
    }
  }
}

TEST_F(Constructs, AreRefusedWhereTheReferenceRefuses) {
  for (const Json& entry : fixture_["cases"]) {
    if (!entry.contains("text")) {
      const auto source = entry["template"].get<std::string>();
      EXPECT_NE(refusal<Error>(source, variables_), "") << source;
    }
  }
}

}  // namespace
}  // namespace peft
