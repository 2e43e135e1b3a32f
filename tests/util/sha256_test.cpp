#include "peft/util/sha256.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "peft/util/error.h"

namespace peft {
namespace {

// FIPS 180-2, appendix B, and the empty message.
TEST(Sha256, KnowsTheStandardsExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span("ab", 2)));
  hash.update({});
  hash.update(std::as_bytes(std::span("c", 1)));
  EXPECT_EQ(hash.finish(), sha256("abc"));
}

TEST(Sha256, HashesAFile) {
  const std::string name = testing::TempDir() + "peft-sha256-" + std::to_string(::getpid());
  std::ofstream(name) << "abc";
  EXPECT_EQ(sha256_of_file(name), sha256("abc"));
  std::filesystem::remove(name);
}

TEST(Sha256, NamesAFileThatIsMissing) {
  try {
    sha256_of_file("no/file");
    FAIL();
  } catch (const IoError& error) {
    EXPECT_STREQ(error.what(), "no/file: cannot be read: No such file or directory");
  }
}

}  // namespace
}  // namespace peft
