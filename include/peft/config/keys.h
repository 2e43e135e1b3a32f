#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// The four parts of a run file, in their order.
enum class Section { kModel, kAdapter, kData, kTraining };
inline constexpr Section kSections[] = {Section::kModel, Section::kAdapter, Section::kData,
                                        Section::kTraining};
/// "model", "adapter", "data", "training".
std::string section_name(Section section);

/// A form a value may have. A key lists all that it takes.
enum class ValueType {
  kBool,
  kInt,
  kNumber,
  kString,
  kIntList,
  kStringList,
  kIntMap,      ///< object of integers
  kNumberMap,   ///< object of numbers
  kIntListMap,  ///< object of lists of integers
  kFlagMap,     ///< object of lists of booleans
  kEmptyList,   ///< []
  kColumns,     ///< {our column: the file's}, and under "roles" {the file's word: role}
  kSources      ///< data files: a path, {path, weight, limit}, or a list of these
};

/// How a key is treated.
enum class Support {
  kUsed,     ///< read and obeyed
  kNeutral,  ///< known; only values that ask for nothing are accepted
  kNotUsed   ///< written by PEFT, not needed here; any value is accepted
};

/// Another spelling of a value: what `from` says, `to` means. A null `to` is "not given".
struct Synonym {
  Json from;
  Json to;
};

/// Another tool's name of a key.
struct Alias {
  std::string name;               ///< a dot names a nested object: "lora_parameters.rank"
  std::vector<Synonym> values{};  ///< translations that hold under this name only
  std::string column{};           ///< data.columns only: the column that the value names
};

/// One key of a run file. Reading, messages, the JSON Schema and the reference page all come from
/// the tables of these and from nothing else.
struct Key {
  std::string name;
  std::vector<ValueType> types;
  /// Default of a run file. Absent: the key must be given. Null: nothing, or see `automatic`.
  std::optional<Json> fallback;
  std::vector<std::string> choices{};  ///< the only strings that are accepted, if not empty
  double least = -1e308;               ///< smallest number accepted
  double most = 1e308;                 ///< largest number accepted
  bool above_least = false;            ///< `least` itself is refused
  bool minus_one_is_absent = false;    ///< -1 counts as not given
  bool may_be_empty = false;           ///< a list of none is an answer too
  std::vector<Synonym> synonyms{};     ///< other spellings of values
  std::vector<Alias> aliases{};
  std::string summary{};    ///< one line for the reference page
  std::string automatic{};  ///< what happens when nothing is given, where `fallback` cannot say it
  Support support = Support::kUsed;
  std::string missing{};  ///< kNeutral: the ability that other values ask for
  std::vector<Json>
      neutral{};  ///< kNeutral: values that ask for nothing (null, [] and {} always do)
  std::optional<Json> saved{};  ///< adapter keys: PEFT's default, if it is not `fallback`
  std::vector<std::string>
      saved_choices{};            ///< adapter keys: more strings that a saved file may hold
  bool fixed_by_adapter = false;  ///< cannot change when training goes on from an adapter
};

/// Keys of a section, in the order of the reference page. The adapter's are those of the method
/// whose PEFT type is given (see methods.h); other sections ignore it.
const std::vector<Key>& keys_of(Section section, std::string_view peft_type = "LORA");

/// A name that looks like one of ours and means something else. Refused with the conversion, never
/// guessed.
struct Lookalike {
  std::string name;
  std::string message;  ///< "{r}" and "{alpha}" stand for the rank and for rank x value
};
const std::vector<Lookalike>& lookalikes();

/// Two keys that cannot both be given.
/// `second` given sets `first` to `otherwise`.
struct ExclusivePair {
  std::string first;
  std::string second;
  Json otherwise;
};
const std::vector<ExclusivePair>& exclusive_pairs();

/// `expected` half of a message: "a number > 0", "\"none\" or \"bfd\"".
std::string expectation(const Key& key);

}  // namespace peft
