#include "sentencepiece_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "character_map.h"
#include "peft/tokenizer/sentencepiece_merges.h"
#include "peft/util/error.h"
#include "peft/util/json.h"
#include "peft/util/text.h"
#include "sentencepiece_model.h"
#include "tokenizer_json.h"

namespace peft {
namespace {

constexpr size_t kLargestFile = size_t{64} << 20;
constexpr const char* kSpace = "▁";  // sentencepiece's visible space
constexpr int64_t kUnigram = 1;

Json sequence(const char* member, Json parts) {
  return {{"type", "Sequence"}, {member, std::move(parts)}};
}

Json replace(const char* kind, const char* pattern, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

Json metaspace(const char* scheme, bool cuts) {
  return {
      {"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", scheme}, {"split", cuts}};
}

/// Takes a sentencepiece model apart and writes it as the content of a tokenizer.json.
class Conversion {
 public:
  Conversion(SentencePieceModel model, TokenizerConfig config, std::string where)
      : model_(std::move(model)), config_(std::move(config)), where_(std::move(where)) {
    legacy_ = config_.legacy.value_or(true);
    prefix_ = config_.add_prefix_space.value_or(model_.add_dummy_prefix);
  }

  std::unique_ptr<Tokenizer> as_llama() {
    name_special_tokens();
    write_llama_stages();
    json_["decoder"] = decoder();
    write_template(config_.add_bos.value_or(true), config_.add_eos.value_or(false));
    write_model();
    return make_tokenizer(json_, config_, where_);
  }

  std::unique_ptr<Tokenizer> as_t5() {
    check<ModelError>(model_.model_type == kUnigram, "{}: T5Tokenizer needs a unigram model",
                      where_);
    name_special_tokens();
    append_sentinels();
    if (!model_.character_map.empty()) {
      json_["normalizer"] = precompiled();
    }
    const Json words = {{"type", "WhitespaceSplit"}};
    json_["pre_tokenizer"] =
        sequence("pretokenizers", Json::array({words, metaspace("always", /*cuts=*/true)}));
    json_["decoder"] = metaspace("always", /*cuts=*/true);
    write_template(/*bos=*/false, /*eos=*/true);
    write_model();
    return make_tokenizer(json_, config_, where_);
  }

 private:
  void name_special_tokens() {
    const auto name = [&](std::string& token, int64_t id) {
      if (token.empty() && id >= 0) {
        token = model_.pieces[static_cast<size_t>(id)].text;
      }
    };
    name(config_.unk, model_.unk_id);
    name(config_.bos, model_.bos_id);
    name(config_.eos, model_.eos_id);
    name(config_.pad, model_.pad_id);
    Json tokens = Json::array();
    for (size_t i = 0; i < model_.pieces.size(); ++i) {
      const SentencePiece& piece = model_.pieces[i];
      const bool special = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
      if (special || piece.type == PieceType::kUserDefined) {
        tokens.push_back(
            {{"id", i}, {"content", piece.text}, {"normalized", false}, {"special", special}});
      }
    }
    json_["added_tokens"] = std::move(tokens);
  }

  /// <extra_id_99> to <extra_id_0>, for as many as the config lists, or a hundred.
  void append_sentinels() {
    const auto listed = std::count_if(
        config_.more.begin(), config_.more.end(),
        [](const std::string& token) { return token.find("<extra_id_") != std::string::npos; });
    const int64_t count = config_.extra_ids.value_or(listed > 0 ? listed : 100);
    check<ModelError>(count >= 0 && count <= 10'000,
                      "{}: {} extra_ids are not between 0 and 10,000", where_, count);
    for (int64_t i = count - 1; i >= 0; --i) {
      const std::string token = fmt::format("<extra_id_{}>", i);
      json_["added_tokens"].push_back({{"id", model_.pieces.size()},
                                       {"content", token},
                                       {"normalized", false},
                                       {"special", true}});
      model_.pieces.push_back({token, 0.0F, PieceType::kControl});
    }
  }

  Json precompiled() const {
    return {{"type", "Precompiled"}, {"precompiled_charsmap", base64(model_.character_map)}};
  }

  void write_llama_stages() {
    Json normalizers = Json::array();
    if (!model_.character_map.empty()) {
      normalizers.push_back(precompiled());
    }
    const char* const scheme = !prefix_ ? "never" : legacy_ ? "always" : "first";
    if (model_.remove_extra_whitespaces) {
      normalizers.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
      normalizers.push_back(replace("Regex", " {2,}", kSpace));
      json_["pre_tokenizer"] = metaspace(scheme, /*cuts=*/true);
    } else if (legacy_) {
      if (prefix_) {
        normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
      }
      normalizers.push_back(replace("String", " ", kSpace));
    } else {
      json_["pre_tokenizer"] = metaspace(scheme, /*cuts=*/false);
    }
    if (!normalizers.empty()) {
      json_["normalizer"] = sequence("normalizers", std::move(normalizers));
    }
  }

  Json decoder() const {
    Json decoders = Json::array(
        {replace("String", kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
    if (prefix_) {
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    return sequence("decoders", std::move(decoders));
  }

  int64_t id_of(const std::string& token) const {
    const auto found =
        std::find_if(model_.pieces.begin(), model_.pieces.end(),
                     [&](const SentencePiece& piece) { return piece.text == token; });
    if (found != model_.pieces.end()) {
      return found - model_.pieces.begin();
    }
    for (const AddedToken& added : config_.added_tokens) {
      if (added.content == token) {
        return added.id;
      }
    }
    fail<ModelError>("{}: the special token \"{}\" is not among its pieces", where_,
                     escaped(token));
  }

  void write_template(bool bos, bool eos) {
    Json single = Json::array();
    Json special = Json::object();
    const auto add = [&](const std::string& token) {
      single.push_back({{"SpecialToken", {{"id", token}}}});
      special[token] = {{"id", token}, {"ids", Json::array({id_of(token)})}};
    };
    if (bos && !config_.bos.empty()) {
      add(config_.bos);
    }
    single.push_back({{"Sequence", {{"id", "A"}}}});
    if (eos && !config_.eos.empty()) {
      add(config_.eos);
    }
    json_["post_processor"] = {
        {"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", special}};
  }

  void write_model() {
    if (model_.model_type == kUnigram) {
      Json pieces = Json::array();
      for (const SentencePiece& piece : model_.pieces) {
        pieces.push_back(Json::array({piece.text, piece.score}));
      }
      json_["model"] = {
          {"type", "Unigram"}, {"unk_id", unknown_id()}, {"byte_fallback", model_.byte_fallback}};
      json_["model"]["vocab"] = std::move(pieces);
      return;
    }
    json_["model"] = {{"type", "BPE"},
                      {"unk_token", model_.pieces[unknown_id()].text},
                      {"fuse_unk", true},
                      {"byte_fallback", model_.byte_fallback}};
    write_pieces_and_merges();
  }

  void write_pieces_and_merges() {
    std::vector<std::string> texts;
    std::vector<double> scores;
    std::vector<bool> normal;
    Json ids = Json::object();
    // Straight to the end: looking every key up in an ordered object takes quadratic time.
    auto& members = ids.get_ref<Json::object_t&>();
    for (const SentencePiece& piece : model_.pieces) {
      check<ModelError>(piece.type != PieceType::kUnused,
                        "{}: unused pieces (\"{}\") in a BPE model are not supported", where_,
                        escaped(piece.text));
      members.emplace_back(piece.text, texts.size());
      texts.push_back(piece.text);
      scores.push_back(piece.score);
      normal.push_back(piece.type == PieceType::kNormal);
    }
    Json merges = Json::array();
    for (const auto& [left, right] : merges_from_scores(texts, scores, normal)) {
      merges.push_back(
          Json::array({texts[static_cast<size_t>(left)], texts[static_cast<size_t>(right)]}));
    }
    json_["model"]["vocab"] = std::move(ids);
    json_["model"]["merges"] = std::move(merges);
  }

  size_t unknown_id() const {
    const auto found =
        std::find_if(model_.pieces.begin(), model_.pieces.end(),
                     [](const SentencePiece& piece) { return piece.type == PieceType::kUnknown; });
    return static_cast<size_t>(found - model_.pieces.begin());
  }

  SentencePieceModel model_;
  TokenizerConfig config_;
  std::string where_;
  Json json_ = Json::object();
  bool legacy_ = true;
  bool prefix_ = true;  // texts begin with a space that is added
};

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file,
                                                const TokenizerConfig& config) {
  const std::string where = file.string();
  Conversion conversion(read_sentencepiece_model(read_text<ModelError>(file, kLargestFile), where),
                        config, where);
  std::string name = config.tokenizer_class;
  if (name.ends_with("Fast")) {
    name.resize(name.size() - 4);
  }
  if (name == "T5Tokenizer" || (name.empty() && file.filename() == "spiece.model")) {
    return conversion.as_t5();
  }
  static constexpr std::array<std::string_view, 5> kLikeLlama = {
      "", "LlamaTokenizer", "CodeLlamaTokenizer", "PreTrainedTokenizer", "TokenizersBackend"};
  check<ModelError>(std::find(kLikeLlama.begin(), kLikeLlama.end(), name) != kLikeLlama.end(),
                    "{}: a sentencepiece model of the tokenizer class \"{}\" is not supported; "
                    "tokenizer.json is: load the tokenizer with transformers and save it",
                    where, escaped(config.tokenizer_class));
  return conversion.as_llama();
}

}  // namespace peft
