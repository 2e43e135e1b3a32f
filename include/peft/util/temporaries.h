#pragma once

#include <filesystem>
#include <string>

namespace peft {

/// A name beside `path` for what is not finished yet: "<path>.tmp-<process>-<random>".
std::string temporary_name(const std::filesystem::path& path);

/// True for such a name.
bool is_temporary(const std::filesystem::path& path);

/// Removes a folder so that nobody sees half of it: it takes a temporary name first. A folder that
/// is not there is no error; what cannot be removed is left to `remove_dead_temporaries`.
void remove_folder(const std::filesystem::path& path);

/// Removes everything below `path` and `path` itself, as far as it can.
void remove_tree(const std::filesystem::path& path);

/// Removes the temporaries in a folder whose processes are dead; those of a living one are kept.
void remove_dead_temporaries(const std::filesystem::path& folder);

/// Removes only those that were to become `path`: the folder beside it is not ours alone.
void remove_dead_temporaries_of(const std::filesystem::path& path);

}  // namespace peft
