#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peft/config/keys.h"
#include "peft/config/names.h"
#include "peft/config/overrides.h"

namespace peft {

/// A value that the user gave for a key, already checked.
struct GivenValue {
  Json value;         ///< canonical; null: as if not given
  std::string where;  ///< "run.json:9:17" or "--set"
  std::string name;   ///< as written: "adapter.lora_rank"
  bool from_flag = false;
  bool column = false;  ///< part of data.columns, given under another tool's name

  /// `where`, with the name that was used if it is not ours: what resolved_config.json records.
  std::string origin(const std::string& path) const;
};

/// Collects what a run file and flags say, by canonical path ("training.seed"), and every fault on
/// the way, as whole lines without "peft: error: ".
class GivenValues {
 public:
  /// Takes the members of a run file. `file` is its name in messages.
  void add_document(const Json& document, const JsonPositions& positions, const std::string& file);
  /// Takes one flag. The last of two wins, with a note.
  void add_override(const Override& flag);
  /// Looks up every name and checks every value. Call once, after everything was added.
  void resolve();

  const std::map<std::string, GivenValue>& values() const { return values_; }
  /// The value of a path, or null when it was not given.
  const GivenValue* find(const std::string& path) const;
  /// Removes a value that another one overrules.
  void drop(const std::string& path) { values_.erase(path); }
  void add_fault(const std::string& where, const std::string& name, const std::string& fault);
  void add_note(std::string note) { notes_.push_back(std::move(note)); }

  const std::vector<std::string>& faults() const { return faults_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Entry {
    std::optional<Section> section;
    std::string name;
    Json value;
    std::string where;
    bool from_flag;
    std::string spelling() const;
  };

  void add_member(const std::string& name, const Json& value, const std::string& pointer);
  void add_section(Section section, const std::string& name, const Json& value,
                   const std::string& pointer);
  void add_plain_section(Section section, const std::string& name, const Json& value,
                         const std::string& where);
  void add_entry(std::optional<Section> section, const std::string& name, const Json& value,
                 const std::string& where);
  std::string where_of(const std::string& pointer) const;
  std::string peft_type() const;
  void resolve_entry(const Entry& entry, const std::string& type);
  bool refuse_lookalike(const Entry& entry);
  void keep(const KeyMatch& match, const Entry& entry, Json value);
  Json rank_in_sight() const;

  // What is being read now: positions of the file, or null for flags.
  const JsonPositions* positions_ = nullptr;
  std::string file_;
  bool from_flag_ = false;

  std::vector<Entry> entries_;
  std::map<std::string, std::string> section_names_;  // of the file: section -> name used
  std::map<std::string, GivenValue> values_;
  std::vector<std::string> faults_;
  std::vector<std::string> notes_;
};

}  // namespace peft
