#include "peft/io/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "io/temporary_directory.h"
#include "io/torch_builder.h"
#include "peft/io/hf_directory.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

const fs::path kTorchFixtures = fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures" / "io";

template <class File>
std::vector<std::byte> bytes_in(const File& file, const std::string& name) {
  std::vector<std::byte> bytes(file.tensors().at(name).bytes);
  file.read(name, bytes);
  return bytes;
}

class TorchForms : public testing::TestWithParam<const char*> {};

TEST_P(TorchForms, GiveTheTensorsThatTorchWrote) {
  const TorchFile file(kTorchFixtures / GetParam());
  const SafetensorsFile expected(kTorchFixtures / "torch.safetensors");
  ASSERT_EQ(file.tensors().size(), expected.tensors().size());
  for (const auto& [name, info] : expected.tensors()) {
    EXPECT_EQ(file.tensors().at(name).dtype, info.dtype) << name;
    EXPECT_EQ(file.tensors().at(name).shape, info.shape) << name;
    EXPECT_EQ(bytes_in(file, name), bytes_in(expected, name)) << name;
  }
}

TEST_P(TorchForms, GiveBytesFromTheMiddleOfATensor) {
  const TorchFile file(kTorchFixtures / GetParam());
  for (const std::string name : {"rows", "columns", "transposed"}) {
    const std::vector<std::byte> whole = bytes_in(file, name);
    std::vector<std::byte> part(7);
    file.read(name, 9, part);
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + 9, part.size()), 0) << name;
  }
}

TEST_P(TorchForms, ShareTheStorageOfTiedTensors) {
  const TorchFile file(kTorchFixtures / GetParam());
  EXPECT_EQ(file.tensors().at("embed").begin, file.tensors().at("head").begin);
}

/// Every bit of the file flipped, one at a time in places that a seed chooses: the file reads, or
/// its fault is one line.
TEST_P(TorchForms, SurviveFlippedBits) {
  const TemporaryDirectory directory;
  const std::string good = bytes_of_file(kTorchFixtures / GetParam());
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string bad = good;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
      bad[random() % bad.size()] ^= static_cast<char>(1u << random() % 8);
    }
    put_file(directory / "bad.bin", bad);
    try {
      const TorchFile file(directory / "bad.bin");
      for (const auto& [name, info] : file.tensors()) {
        bytes_in(file, name);
      }
    } catch (const Error& problem) {
      ++refused;
      ASSERT_EQ(std::string(problem.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(refused, 300);
}

TEST_P(TorchForms, SurviveEveryCut) {
  const TemporaryDirectory directory;
  const std::string good = bytes_of_file(kTorchFixtures / GetParam());
  for (size_t length = 0; length < good.size(); length += 3) {
    put_file(directory / "cut.bin", good.substr(0, length));
    EXPECT_THROW(TorchFile{directory / "cut.bin"}, ModelError) << length;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TorchForms, testing::Values("torch_zip.bin", "torch_legacy.bin"),
                         [](const auto& instance) {
                           return std::string(instance.param).substr(6, 3);
                         });

/// The fault of a file, without the path in front.
std::string torch_fault(const std::string& content) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "m.bin";
  put_file(file, content);
  const std::string text = error_text([&] { TorchFile{file}; });
  EXPECT_TRUE(text.empty() || text.starts_with(file.string() + ": ")) << text;
  return text.empty() ? "" : text.substr(file.string().size() + 2);
}

/// A zip file around a pickle, with storage "0" of two numbers.
ZipBuilder zip_of(const std::string& pickle) {
  return ZipBuilder()
      .add("m/data.pkl", pickle)
      .add("m/byteorder", "little")
      .add("m/data/0", std::string(8, '\1'))
      .add("m/version", "3\n");
}

std::string pickle_fault(const PickleBuilder& pickle) {
  return torch_fault(zip_of(pickle.done()).file());
}

/// {"w": a float32 tensor of two elements}
PickleBuilder weights() {
  return PickleBuilder().raw("}").text("w").tensor(2, 0, {2}, {1}).raw("s");
}

TEST(TorchFile, ReadsTheSmallestFile) {
  EXPECT_EQ(torch_fault(zip_of(weights().done()).file()), "");
}

TEST(TorchFile, RefusesToLookUpWhatIsNotInItsList) {
  EXPECT_EQ(pickle_fault(PickleBuilder().global("posix", "system").text("x").raw("\x85R")),
            "pickle, byte 2: asks for \"posix.system\", which no file of weights needs; refused");
  EXPECT_EQ(pickle_fault(PickleBuilder().global("torch._utils", "_rebuild_tensor_v2.__globals__")),
            "pickle, byte 2: asks for \"torch._utils._rebuild_tensor_v2.__globals__\", which no "
            "file of weights needs; refused");
  EXPECT_EQ(pickle_fault(PickleBuilder().global("builtins", "eval\x1b[0m")),
            "pickle, byte 2: asks for \"builtins.eval\\x1b[0m\", which no file of weights needs; "
            "refused");
  EXPECT_EQ(pickle_fault(PickleBuilder().raw("c" + std::string(400, 'a') + "\nb\n")),
            "pickle, byte 2: a name without an end");
}

TEST(TorchFile, RefusesOpcodesThatTorchDoesNotWrite) {
  const auto fault = [](std::string_view code) { return pickle_fault(PickleBuilder().raw(code)); };
  const auto expected = [](const char* code) {
    return std::string("pickle, byte 2: the opcode ") + code +
           ", which torch does not write; refused";
  };
  EXPECT_EQ(fault("iposix\nsystem\n"), expected("0x69"));  // INST
  EXPECT_EQ(fault("o"), expected("0x6f"));                 // OBJ
  EXPECT_EQ(fault("\x81"), expected("0x81"));              // NEWOBJ
  EXPECT_EQ(fault("\x82\x01"), expected("0x82"));          // EXT1
  EXPECT_EQ(fault("\x93"), expected("0x93"));              // STACK_GLOBAL
  EXPECT_EQ(fault("\x95"), expected("0x95"));              // FRAME
  EXPECT_EQ(fault("P0\n"), expected("0x50"));              // PERSID
  EXPECT_EQ(torch_fault(zip_of("\x80\x04}.").file()), "pickle, byte 0: expected protocol 2");
}

TEST(TorchFile, RefusesCallsAndStatesOfAnythingElse) {
  EXPECT_EQ(pickle_fault(PickleBuilder().global("torch", "FloatStorage").raw(")R")),
            "pickle, byte 23: a call of \"torch.FloatStorage\"; refused");
  EXPECT_EQ(pickle_fault(PickleBuilder().text("f").raw(")R")),
            "pickle, byte 9: a call of what is no function");
  EXPECT_EQ(pickle_fault(PickleBuilder().raw("]}b")),
            "pickle, byte 4: sets the state of what is no dictionary; refused");
  EXPECT_EQ(pickle_fault(PickleBuilder().global("collections", "OrderedDict").raw("]\x85R")),
            "pickle, byte 29: a call of \"collections.OrderedDict\"; refused");
}

TEST(TorchFile, RefusesPicklesThatRunEmpty) {
  for (const std::string code : {"\x85", "\x86", "\x87", "t", "a", "e", "s", "u", "R", "b", "Q",
                                 "q\x01", "h\x01", std::string("j\xFF\xFF\xFF\xFF").c_str()}) {
    const std::string fault = pickle_fault(PickleBuilder().raw(code));
    EXPECT_TRUE(fault.starts_with("pickle, byte 2: ")) << fault;
  }
  EXPECT_EQ(torch_fault(zip_of("\x80\x02").file()), "pickle, byte 2: 1 bytes needed, 0 left");
  EXPECT_EQ(torch_fault(zip_of("\x80\x02.").file()), "pickle, byte 2: 0 values at its end");
  EXPECT_EQ(pickle_fault(PickleBuilder().raw("X\xFF\xFF\xFF\x7F")),
            "pickle, byte 2: 2147483647 bytes needed, 1 left");
}

TEST(TorchFile, HoldsOutAgainstDepthCyclesAndFloods) {
  EXPECT_EQ(pickle_fault(PickleBuilder().raw(std::string(300'000, '('))),
            "pickle, byte 300002: 0 values at its end");
  EXPECT_EQ(pickle_fault(PickleBuilder().raw(std::string(1'100'000, '}'))),
            "pickle, byte 1000002: more than 1000000 values on the stack");
  // A list that holds itself, nested tuples without end, and a dictionary that is its own value.
  EXPECT_EQ(pickle_fault(PickleBuilder().raw(std::string_view("]q\0h\0a", 6))),
            "expected a dictionary of tensors, found something else");
  EXPECT_EQ(pickle_fault(PickleBuilder().raw(")").raw(std::string(300'000, '\x85'))),
            "expected a dictionary of tensors, found something else");
  EXPECT_EQ(
      pickle_fault(PickleBuilder().raw(std::string_view("}q\0", 3)).text("w").raw({"h\0s", 3})),
      "\"w\" is no tensor; expected the weights of a model and nothing else");
}

TEST(TorchFile, RefusesTensorsThatLeaveTheirStorage) {
  const auto fault = [](int32_t elements, int32_t offset, const std::vector<int32_t>& shape,
                        const std::vector<int32_t>& strides) {
    return pickle_fault(
        PickleBuilder().raw("}").text("w").tensor(elements, offset, shape, strides).raw("s"));
  };
  EXPECT_EQ(fault(2, 1, {2}, {1}),
            "tensor \"w\": the shape [2] with strides [1] from element 1 on leaves its storage of "
            "2 elements");
  EXPECT_EQ(fault(2, 0, {1000, 1000}, {0, 0}),
            "tensor \"w\": the shape [1000, 1000] with strides [0, 0] from element 0 on leaves its "
            "storage of 2 elements");
  EXPECT_EQ(fault(2, 0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}),
            "tensor \"w\": the shape [1073741824, 1073741824, 1073741824] has too many elements");
  EXPECT_NE(fault(2, 0, {2}, {-1}).find("strides: -1"), std::string::npos);
  EXPECT_NE(fault(2, -1, {2}, {1}).find("shape and strides do not fit"), std::string::npos);
  EXPECT_NE(fault(2, 0, {2, 1}, {1}).find("shape and strides do not fit"), std::string::npos);
  EXPECT_NE(fault(2, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}).find("9 dimensions"), std::string::npos);
  EXPECT_EQ(fault(3, 0, {2}, {1}),
            "the storage \"0\" should have 3 elements of F32, and has 8 bytes");
}

TEST(TorchFile, RefusesNamesThatAreNone) {
  const auto fault = [](const std::string& name) {
    return pickle_fault(PickleBuilder().raw("}").text(name).tensor(2, 0, {2}, {1}).raw("s"));
  };
  EXPECT_EQ(fault(""), "\"\" is not the name of a tensor");
  EXPECT_EQ(fault("a\nb"), "\"a\\nb\" is not the name of a tensor");
  EXPECT_EQ(pickle_fault(PickleBuilder(weights()).text("w").tensor(2, 0, {2}, {1}).raw("s")),
            "tensor \"w\": is there twice");
}

TEST(TorchFile, RefusesZipFilesThatTorchDoesNotWrite) {
  const std::string pickle = weights().done();
  EXPECT_EQ(torch_fault(zip_of(pickle).add("m/code/__torch__.py", "").file()),
            "holds \"m/code/__torch__.py\", which torch.save does not write; a TorchScript file is "
            "code, not weights");
  EXPECT_EQ(torch_fault(zip_of(pickle).add("../../x", "").file()),
            "holds \"../../x\", which torch.save does not write");
  EXPECT_EQ(torch_fault(zip_of(pickle).add("m/data/0", "").file()),
            "two records are called \"m/data/0\"");
  EXPECT_EQ(torch_fault(ZipBuilder().add("data.pkl", pickle).file()),
            "a zip file without data.pkl, not one of torch.save");
  EXPECT_EQ(torch_fault(zip_of(pickle).file() + "x"),
            "the zip file is cut short or something follows it");
  ZipBuilder packed = zip_of(pickle).add("m/data/1", "");
  packed.last().method = 8;
  EXPECT_EQ(torch_fault(packed.file()),
            "record \"m/data/1\": is compressed, which torch never does");
  ZipBuilder long_one = zip_of(pickle).add("m/data/1", "");
  long_one.last().claimed_bytes = 4000;
  EXPECT_EQ(torch_fault(long_one.file()),
            "record \"m/data/1\": its 4000 bytes lie outside the data");
  ZipBuilder over = ZipBuilder().add("m/data.pkl", pickle).add("m/data/1", "");
  over.last().claimed_bytes = 40;
  EXPECT_EQ(torch_fault(over.add("m/data/0", std::string(8, '\1')).file()),
            "record \"m/data/0\" lies over another");
  ZipBuilder damaged = ZipBuilder().add("m/data.pkl", pickle);
  ++damaged.last().crc;
  EXPECT_EQ(torch_fault(damaged.file()), "record \"m/data.pkl\": its checksum is wrong");
  EXPECT_EQ(torch_fault(ZipBuilder()
                            .add("m/data.pkl", pickle)
                            .add("m/byteorder", "big")
                            .add("m/data/0", std::string(8, '\1'))
                            .file()),
            "big-endian files are not supported");
  EXPECT_EQ(torch_fault(ZipBuilder().add("m/data.pkl", pickle).file()),
            "the storage \"0\" is not in the file");
}

TEST(TorchFile, RefusesForeignFiles) {
  EXPECT_EQ(torch_fault(""), "not a file that torch.save wrote");
  EXPECT_EQ(torch_fault(std::string(64, '7')), "not a file that torch.save wrote");
}

/// A model folder with pickled weights only.
class PickledFolder : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(model_);
    put_file(model_ / "config.json", R"({"model_type": "llama"})");
  }

  TemporaryDirectory directory_;
  const fs::path model_ = directory_ / "m";
};

TEST_F(PickledFolder, IsReadOnlyWhereThatIsAllowed) {
  fs::copy(kTorchFixtures / "torch_zip.bin", model_ / "pytorch_model.bin");
  EXPECT_EQ(error_text([&] { HfDirectory{model_}; }),
            model_.string() +
                ": holds only pickled weights (pytorch_model.bin), a format that can carry code; "
                "--allow-pickle (\"allow_pickle\": true in a run file's model) reads the tensors "
                "and nothing else of it");
  const HfDirectory model(model_, PickledWeights::kAllowed);
  EXPECT_EQ(model.tensors().size(), 13u);
  EXPECT_EQ(bytes_in(model, "transposed"),
            bytes_in(SafetensorsFile(kTorchFixtures / "torch.safetensors"), "transposed"));
}

TEST_F(PickledFolder, PrefersSafetensors) {
  put_file(model_ / "pytorch_model.bin", "not read");
  fs::copy(kTorchFixtures / "torch.safetensors", model_ / "model.safetensors");
  EXPECT_EQ(HfDirectory(model_, PickledWeights::kAllowed).tensors().size(), 13u);
}

TEST_F(PickledFolder, ReadsShards) {
  put_file(model_ / "a.bin", zip_of(weights().done()).file());
  fs::copy(kTorchFixtures / "torch_legacy.bin", model_ / "b.bin");
  std::string map = R"("w": "a.bin")";
  const TorchFile legacy(kTorchFixtures / "torch_legacy.bin");
  for (const auto& [name, info] : legacy.tensors()) {
    map += ", \"" + name + R"(": "b.bin")";
  }
  const std::string index = R"({"metadata": {"total_size": 1}, "weight_map": {)" + map + "}}";
  put_file(model_ / "pytorch_model.bin.index.json", index);
  EXPECT_EQ(HfDirectory(model_, PickledWeights::kAllowed).tensors().size(), 14u);
  put_file(model_ / "pytorch_model.bin.index.json", R"({"weight_map": {"w": "../a.bin"}})");
  EXPECT_EQ(error_text([&] { HfDirectory(model_, PickledWeights::kAllowed); }),
            (model_ / "pytorch_model.bin.index.json").string() +
                ": weight_map: \"../a.bin\" is not the name of a shard");
}

}  // namespace
}  // namespace peft
