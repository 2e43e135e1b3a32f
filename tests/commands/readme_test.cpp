// The README's tables name what the code has.
#include <gtest/gtest.h>

#include <filesystem>

#include "peft/config/methods.h"
#include "peft/config/model_family.h"
#include "peft/methods/registry.h"

namespace peft {
namespace {

std::string readme() {
  return read_text<DataError>(std::filesystem::path(PEFT_SOURCE_DIR) / "README.md", 1 << 20);
}

TEST(Readme, HasARowForEveryMethod) {
  for (const Method& method : methods()) {
    EXPECT_NE(readme().find(fmt::format("| [`{}`](docs/methods/{}.md) | `{}` |", method.name,
                                        method.name, method.peft_type)),
              std::string::npos)
        << method.name;
  }
}

TEST(Readme, HasARowForEveryModel) {
  for (const ModelFamily& family : model_families()) {
    EXPECT_NE(readme().find(fmt::format("| `{}` | `{}` |", family.model_type, family.class_name)),
              std::string::npos)
        << family.model_type;
  }
}

TEST(Registry, HasAnEngineHalfForEveryMethodOfTheCatalogue) {
  for (const Method& method : methods()) {
    const auto& entries = method_entries();
    EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), [&](const MethodEntry& entry) {
      return method.peft_type == entry.peft_type;
    })) << method.name;
  }
}

}  // namespace
}  // namespace peft
