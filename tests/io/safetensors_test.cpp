#include "peft/io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "io/temporary_directory.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

template <class T>
std::span<const std::byte> bytes(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// A file with this header text and `data` zero bytes.
std::string file_with(const std::string& header, size_t data) {
  const uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + std::string(data, '\0');
}

/// The fault of a file, without the path in front.
std::string fault_of(const std::string& content) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "m.safetensors";
  put_file(file, content);
  const std::string text = error_text([&] { SafetensorsFile{file}; });
  EXPECT_TRUE(text.empty() || text.starts_with(file.string() + ": ")) << text;
  return text.empty() ? "" : text.substr(file.string().size() + 2);
}

std::string fault_of_header(const std::string& header, size_t data = 4) {
  return fault_of(file_with(header, data));
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryDirectory directory;
  const std::vector<float> a = {1.5f, -2.0f, 3.0f, 4.0f};
  const std::vector<uint16_t> b = {0x3F80, 0x4000};
  write_safetensors(directory / "m.safetensors",
                    {{"a", Dtype::kF32, {2, 2}, bytes(a)}, {"b", Dtype::kBF16, {2}, bytes(b)}});
  const SafetensorsFile file(directory / "m.safetensors");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(file.tensors().at("a").shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(file.tensors().at("a").elements(), 4);
  EXPECT_EQ(file.tensors().at("b").dtype, Dtype::kBF16);
  std::vector<float> whole(4);
  file.read("a", std::as_writable_bytes(std::span(whole)));
  EXPECT_EQ(whole, a);
  std::vector<float> last_row(2);
  file.read("a", 8, std::as_writable_bytes(std::span(last_row)));
  EXPECT_EQ(last_row, (std::vector<float>{3.0f, 4.0f}));
}

TEST(Safetensors, WritesTheBytesOfThePythonLibrary) {
  const TemporaryDirectory directory;
  const std::vector<int64_t> z = {7};
  const std::vector<float> one = {1.0f};
  const std::vector<uint16_t> half = {0x3C00};
  const std::vector<uint8_t> byte = {3};
  write_safetensors(directory / "m.safetensors", {{"m", Dtype::kU8, {1}, bytes(byte)},
                                                  {"b", Dtype::kBF16, {1}, bytes(half)},
                                                  {"c", Dtype::kF16, {1}, bytes(half)},
                                                  {"a\"\n", Dtype::kF32, {1}, bytes(one)},
                                                  {"B", Dtype::kF32, {}, bytes(one)},
                                                  {"é", Dtype::kF32, {0, 5}, {}},
                                                  {"z", Dtype::kI64, {1}, bytes(z)}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("B":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
      R"("a\"\n":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("é":{"dtype":"F32","shape":[0,5],"data_offsets":[16,16]},)"
      R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]},)"
      R"("c":{"dtype":"F16","shape":[1],"data_offsets":[18,20]},)"
      R"("m":{"dtype":"U8","shape":[1],"data_offsets":[20,21]}})";
  const std::string written = bytes_of_file(directory / "m.safetensors");
  const size_t padded = (header.size() + 7) / 8 * 8;
  EXPECT_EQ(written.substr(8, padded), header + std::string(padded - header.size(), ' '));
  EXPECT_EQ(written.size(), 8 + padded + 21);
  EXPECT_EQ(written.substr(8 + padded, 8), std::string("\7\0\0\0\0\0\0\0", 8));
}

TEST(Safetensors, StreamsTensorsInFileOrder) {
  const TemporaryDirectory directory;
  std::string order;
  write_safetensors(directory / "m.safetensors",
                    std::vector<TensorLayout>{{"b", Dtype::kU8, {2}}, {"a", Dtype::kU8, {2}}},
                    [&](const TensorLayout& tensor, const ByteSink& sink) {
                      order += tensor.name;
                      sink(std::as_bytes(std::span("x", 1)));
                      sink(std::as_bytes(std::span("y", 1)));
                    });
  EXPECT_EQ(order, "ab");
  EXPECT_TRUE(bytes_of_file(directory / "m.safetensors").ends_with("xyxy"));
}

TEST(Safetensors, RefusesToWriteTooFewBytes) {
  const TemporaryDirectory directory;
  EXPECT_THROW(write_safetensors(directory / "m.safetensors", {{"a", Dtype::kF32, {2}, {}}}),
               std::logic_error);
  EXPECT_FALSE(fs::exists(directory / "m.safetensors"));
}

TEST(Safetensors, RefusesToWriteTwoTensorsOfOneName) {
  const TemporaryDirectory directory;
  EXPECT_THROW(write_safetensors(directory / "m.safetensors",
                                 {{"a", Dtype::kU8, {0}, {}}, {"a", Dtype::kF32, {0}, {}}}),
               std::logic_error);
}

TEST(Safetensors, AllowsEmptyTensorsAndScalars) {
  EXPECT_EQ(fault_of_header(R"({"e":{"dtype":"F32","shape":[0,8],"data_offsets":[0,0]},)"
                            R"("s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})"),
            "");
  EXPECT_EQ(fault_of_header("{}  ", 0), "");
}

TEST(Safetensors, NamesAMissingFile) {
  EXPECT_EQ(error_text([] { SafetensorsFile{"nowhere/m.safetensors"}; }),
            "nowhere/m.safetensors: no such file");
}

TEST(Safetensors, RefusesAFolder) {
  const TemporaryDirectory directory;
  EXPECT_EQ(error_text([&] { SafetensorsFile{directory.path()}; }),
            directory.path().string() + ": not a regular file");
}

TEST(Safetensors, RefusesACutOrForeignFile) {
  EXPECT_EQ(fault_of("abc"),
            "expected a safetensors file, found 3 bytes; is the download complete?");
  EXPECT_EQ(fault_of(file_with("{}", 0).substr(0, 9)),
            "a header of 2 bytes in a file of 9; the file is cut short or not a safetensors file");
  EXPECT_EQ(fault_of(std::string(8, '\xFF') + "{}"),
            "a header of 18446744073709551615 bytes in a file of 10; the file is cut short or not "
            "a safetensors file");
  EXPECT_EQ(fault_of_header(" {}"), "the header does not start with {");
  EXPECT_EQ(fault_of_header(""), "the header does not start with {");
}

TEST(Safetensors, RefusesAHeaderBeyondTheLimit) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "m.safetensors";
  const uint64_t length = 100'000'001;
  put_file(file, std::string(reinterpret_cast<const char*>(&length), 8));
  fs::resize_file(file, 8 + length);  // sparse
  EXPECT_EQ(error_text([&] { SafetensorsFile{file}; }),
            file.string() + ": expected a header of at most 100000000 bytes, found 100000001");
}

TEST(Safetensors, RefusesADuplicateNameByName) {
  const std::string tensor = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_EQ(fault_of_header("{" + tensor + "," + tensor + "}"),
            "header:1:55: the key \"a\" appears twice");
}

TEST(Safetensors, RefusesDeepNesting) {
  EXPECT_EQ(fault_of_header(R"({"a":[[[[1]]]]})"), "header:1:1: nested deeper than 4 levels");
}

TEST(Safetensors, RefusesSpansThatDoNotFillTheFile) {
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5),
            "1 bytes behind the last tensor belong to none");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})", 5),
            "1 bytes before tensor \"a\" belong to no tensor");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                            R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                            6),
            "tensor \"b\" overlaps another one");
}

TEST(Safetensors, RefusesSpansOutsideTheFile) {
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
            "tensor \"a\": bytes 0 to 8 lie outside the 4 bytes of data");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})"),
            "tensor \"a\": bytes 4 to 0 lie outside the 4 bytes of data");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})"),
            "tensor \"a\": data_offsets: -4 is out of range");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}})"),
            "tensor \"a\": expected two data_offsets, found 1");
}

TEST(Safetensors, RefusesAShapeThatDoesNotFitItsSpan) {
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})"),
            "tensor \"a\": F32 [2] needs 8 bytes, its data_offsets span 4");
  // 2^32 times 2^32 elements of one byte are 0 in 64 bits, and 4 of four bytes.
  EXPECT_EQ(fault_of_header(
                R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
            "tensor \"a\": the shape [4294967296, 4294967296] has too many elements");
  EXPECT_EQ(fault_of_header(
                R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})"),
            "tensor \"a\": the shape [4611686018427387905] has too many elements");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}})"),
            "tensor \"a\": a negative size in the shape [-1, -1]");
}

TEST(Safetensors, RefusesWhatATensorMayNotSay) {
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}})"),
            "tensor \"a\": unknown dtype \"F4\"");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})"),
            "tensor \"a\": shape: expected an integer, found 1.0");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})"),
            "tensor \"a\": shape: missing");
  EXPECT_EQ(fault_of_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})"),
            "tensor \"a\": unknown key \"x\"");
  EXPECT_EQ(fault_of_header(R"({"a":3})"), "tensor \"a\": expected an object, found an integer");
  EXPECT_EQ(
      fault_of_header(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})"),
      "tensor \"a\": expected at most 8 dimensions, found 9");
}

TEST(Safetensors, RefusesNamesNobodyCanPrint) {
  const std::string tensor = R"(:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_EQ(fault_of_header("{\"\"" + tensor),
            "tensor \"\": expected a name of 1 to 1024 bytes, found 0");
  EXPECT_EQ(fault_of_header("{\"a\\u001b[31m\"" + tensor),
            "tensor \"a\\x1b[31m\": control characters in the name");
  EXPECT_EQ(
      fault_of_header("{\"" + std::string(1025, 'a') + "\"" + tensor),
      "tensor \"" + std::string(80, 'a') + "\": expected a name of 1 to 1024 bytes, found 1025");
}

TEST(Safetensors, RefusesMetadataThatIsNoText) {
  EXPECT_EQ(fault_of_header(R"({"__metadata__":{"step":3}})", 0),
            "__metadata__: step: expected a string, found 3");
  EXPECT_EQ(fault_of_header(R"({"__metadata__":[]})", 0),
            "__metadata__: expected an object, found a list");
}

TEST(Safetensors, NoticesAFileThatShrinksWhileItIsRead) {
  const TemporaryDirectory directory;
  const std::vector<float> a(1000);
  write_safetensors(directory / "m.safetensors", {{"a", Dtype::kF32, {1000}, bytes(a)}});
  const SafetensorsFile file(directory / "m.safetensors");
  fs::resize_file(directory / "m.safetensors", 200);
  std::vector<float> b(1000);
  EXPECT_EQ(error_text([&] { file.read("a", std::as_writable_bytes(std::span(b))); }),
            (directory / "m.safetensors").string() + ": became shorter while it was read");
}

TEST(Safetensors, NamesATensorThatIsNotThere) {
  const TemporaryDirectory directory;
  write_safetensors(directory / "m.safetensors", std::vector<TensorToWrite>());
  const SafetensorsFile file(directory / "m.safetensors");
  EXPECT_EQ(error_text([&] { file.read("a", std::span<std::byte>()); }),
            (directory / "m.safetensors").string() + ": no tensor \"a\"");
}

}  // namespace
}  // namespace peft
