#include "peft/io/gguf.h"

#include <gtest/gtest.h>

#include <bit>

#include "io/gguf_builder.h"
#include "io/temporary_directory.h"
#include "peft/io/safetensors.h"
#include "peft/util/sha256.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

const fs::path kFixtures = fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures" / "io";

/// The fault of a file, without the path in front.
std::string gguf_fault_of(const std::string& content) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "m.gguf";
  put_file(file, content);
  const std::string text = error_text([&] { GgufFile{file}; });
  EXPECT_TRUE(text.empty() || text.starts_with(file.string() + ": ")) << text;
  return text.empty() ? "" : text.substr(file.string().size() + 2);
}

/// Bits of a tensor as the gguf package dequantises it.
std::vector<uint32_t> expected_bits(const std::string& name) {
  const SafetensorsFile file(kFixtures / "types.safetensors");
  std::vector<uint32_t> bits(static_cast<size_t>(file.tensors().at(name).elements()));
  file.read(name, std::as_writable_bytes(std::span(bits)));
  return bits;
}

std::vector<uint32_t> actual_bits(const std::string& name) {
  const GgufFile file(kFixtures / "types.gguf");
  const GgufTensor& tensor = file.tensors().at(name);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  file.read_rows(tensor, 0, values);
  std::vector<uint32_t> bits;
  for (const float value : values) {
    bits.push_back(std::bit_cast<uint32_t>(value));
  }
  return bits;
}

TEST(Gguf, WidensPlainTypesBitForBit) {
  for (const std::string name : {"F32", "F16", "BF16"}) {
    EXPECT_EQ(actual_bits(name), expected_bits(name)) << name;
  }
}

TEST(Gguf, DequantisesEveryTypeBitForBit) {
  const Json hashes = read_json<ModelError>(kFixtures / "types.json");
  EXPECT_EQ(hashes.size(), 12u);
  for (const auto& [name, hash] : hashes.items()) {
    Sha256 sha;
    const std::vector<uint32_t> bits = actual_bits(name);
    sha.update(std::as_bytes(std::span(bits)));
    EXPECT_EQ(sha.finish(), hash) << name;
  }
}

TEST(Gguf, ReadsRowsFromTheMiddle) {
  const GgufFile file(kFixtures / "types.gguf");
  const GgufTensor& tensor = file.tensors().at("Q4_1");
  std::vector<float> whole(512);
  std::vector<float> second(256);
  file.read_rows(tensor, 0, whole);
  file.read_rows(tensor, 1, second);
  EXPECT_EQ(second, std::vector<float>(whole.begin() + 256, whole.end()));
}

TEST(Gguf, ReadsTypedValues) {
  const TemporaryDirectory directory;
  put_file(directory / "m.gguf",
           GgufBuilder()
               .u32("a.count", 7)
               .f32("a.eps", 1e-5f)
               .flag("a.on", true)
               .string("a.name", "é")
               .strings("a.list", {"x", "y"})
               .raw("a.small", 1, "\xFF")
               .raw("a.large", 10, GgufBuilder::number<uint64_t>(18446744073709551615u))
               .numbers<int32_t>("a.numbers", 5, {-1, 2})
               .file());
  EXPECT_EQ(GgufFile(directory / "m.gguf").values().dump(),
            R"({"a.count":7,"a.eps":1e-05,"a.on":true,"a.name":"é","a.list":["x","y"],)"
            R"("a.small":-1,"a.large":18446744073709551615,"a.numbers":[-1,2]})");
}

TEST(Gguf, GivesShapesOutermostFirst) {
  const TemporaryDirectory directory;
  put_file(directory / "m.gguf",
           GgufBuilder().tensor("w", {32, 2}, 8, 0).file(std::string(68, '\0'), /*version=*/2));
  const GgufFile file(directory / "m.gguf");
  EXPECT_EQ(file.tensors().at("w").shape, (std::vector<int64_t>{2, 32}));
  EXPECT_EQ(file.tensors().at("w").bytes, 68u);
}

TEST(Gguf, RefusesAForeignFile) {
  EXPECT_EQ(gguf_fault_of("GGUF"), "not a GGUF file");
  EXPECT_EQ(gguf_fault_of(std::string(64, 'x')), "not a GGUF file");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().file("", 1)), "expected GGUF version 2 or 3, found 1");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().file("", 3u << 24)),
            "big-endian GGUF files are not supported");
}

TEST(Gguf, RefusesCountsBeyondItsLimits) {
  const std::string prefix = "GGUF" + GgufBuilder::number<uint32_t>(3);
  EXPECT_EQ(gguf_fault_of(prefix + GgufBuilder::number<uint64_t>(500'001) +
                          GgufBuilder::number<uint64_t>(0)),
            "expected at most 500000 tensors, found 500001");
  EXPECT_EQ(gguf_fault_of(prefix + GgufBuilder::number<uint64_t>(0) +
                          GgufBuilder::number<uint64_t>(65'537)),
            "expected at most 65536 keys, found 65537");
}

TEST(Gguf, RefusesAHeaderThatIsCutShort) {
  const std::string prefix = "GGUF" + GgufBuilder::number<uint32_t>(3) +
                             GgufBuilder::number<uint64_t>(0) + GgufBuilder::number<uint64_t>(1);
  EXPECT_EQ(gguf_fault_of(prefix), "the header is cut short: 8 bytes needed at offset 24, 0 left");
  EXPECT_EQ(gguf_fault_of(prefix + GgufBuilder::number<uint64_t>(uint64_t{1} << 62)),
            "the header is cut short: 4611686018427387904 bytes needed at offset 32, 0 left");
}

TEST(Gguf, RefusesAListLongerThanTheFile) {
  const std::string list =
      GgufBuilder::number<uint32_t>(8) + GgufBuilder::number(uint64_t{1} << 60);
  EXPECT_EQ(gguf_fault_of(GgufBuilder().raw("k", 9, list).file()),
            "k: a list of 1152921504606846976 elements in the 15 bytes left");
}

TEST(Gguf, RefusesValuesItDoesNotKnow) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().raw("k", 13, "").file()), "k: unknown value type 13");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().raw("k", 7, "\2").file()),
            "k: expected a boolean, found 2");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().string("k", "a\xFF").file()), "k: \"a\\xff\" is not UTF-8");
  const std::string nested = GgufBuilder::number<uint32_t>(9) + GgufBuilder::number<uint64_t>(1);
  EXPECT_EQ(gguf_fault_of(GgufBuilder().raw("k", 9, nested).file()),
            "k: lists of lists are not supported");
}

TEST(Gguf, RefusesDuplicatesByName) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().u32("k", 1).u32("k", 1).file()),
            "the key \"k\" appears twice");
  EXPECT_EQ(
      gguf_fault_of(
          GgufBuilder().tensor("w", {1}, 0, 0).tensor("w", {1}, 0, 32).file(std::string(64, '\0'))),
      "the tensor \"w\" appears twice");
}

TEST(Gguf, RefusesNamesNobodyCanPrint) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().u32("", 1).file()),
            "key \"\": expected 1 to 1024 printable bytes, found 0");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w\x1b", {1}, 0, 0).file("0000")),
            "tensor \"w\\x1b\": expected 1 to 1024 printable bytes, found 2");
}

TEST(Gguf, RefusesAnAlignmentThatIsNone) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().u32("general.alignment", 0).file()),
            "general.alignment: expected a power of two up to 65536, found 0");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().u32("general.alignment", 24).file()),
            "general.alignment: expected a power of two up to 65536, found 24");
}

TEST(Gguf, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {}, 0, 0).file()),
            "tensor \"w\": expected 1 to 4 dimensions, found 0");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {4, 0}, 0, 0).file()),
            "tensor \"w\": dimension 1 of 0 elements is out of range");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {1u << 31, 1u << 31, 4}, 0, 0).file()),
            "tensor \"w\": dimension 2 of 4 elements is out of range");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {33}, 8, 0).file(std::string(99, '\0'))),
            "tensor \"w\": rows of 33 elements do not hold whole blocks of 32");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {128}, 12, 0).file(std::string(144, '\0'))),
            "tensor \"w\": rows of 128 elements do not hold whole blocks of 256");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {uint64_t{1} << 62}, 0, 0).file()),
            "tensor \"w\": too many elements");
}

TEST(Gguf, RefusesTensorsOutsideTheFileOrOverEachOther) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {2}, 0, 0).file("0000")),
            "tensor \"w\": 8 bytes at offset 0 lie outside the 4 bytes of data");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {512}, 14, 0).file(std::string(419, '\0'))),
            "tensor \"w\": 420 bytes at offset 0 lie outside the 419 bytes of data");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {1}, 0, ~uint64_t{31}).file("0000")),
            "tensor \"w\": 4 bytes at offset 18446744073709551584 lie outside the 4 bytes of data");
  EXPECT_EQ(gguf_fault_of(GgufBuilder().tensor("w", {1}, 0, 4).file("00000000")),
            "tensor \"w\": offset 4 is not a multiple of 32");
  EXPECT_EQ(
      gguf_fault_of(
          GgufBuilder().tensor("a", {9}, 0, 0).tensor("b", {1}, 0, 32).file(std::string(64, '\0'))),
      "tensor \"b\" overlaps another one");
}

TEST(Gguf, ListsTensorsOfTypesItCannotRead) {
  EXPECT_EQ(gguf_fault_of(GgufBuilder()
                              .tensor("a", {256}, 16, 0)
                              .tensor("b", {256}, 21, 160)
                              .tensor("c", {256}, 16, 384)
                              .tensor("d", {256}, 99, 544)
                              .tensor("e", {1}, 0, 1024)
                              .file()),
            "4 tensors have types that cannot be read (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
            "Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL and IQ4_XS can)\n"
            "  IQ2_XXS: a, c\n"
            "  IQ3_S: b\n"
            "  type 99: d");
}

}  // namespace
}  // namespace peft
