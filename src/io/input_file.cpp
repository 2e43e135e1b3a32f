#include "peft/io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "peft/util/error.h"

namespace peft {
namespace {

// The kernel moves at most 2 GiB in one call; a round number below it keeps reads aligned.
constexpr size_t kLargestRead = size_t{1} << 30;

int open_for_reading(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check<ModelError>(descriptor >= 0, "{}: {}", path.string(),
                    errno == ENOENT ? "no such file" : std::strerror(errno));
  return descriptor;
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : InputFile(open_for_reading(path), path) {}

InputFile::InputFile(int descriptor, const std::filesystem::path& path)
    : path_(path), descriptor_(descriptor) {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail<ModelError>("{}: not a regular file", path.string());
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

void InputFile::read(uint64_t offset, std::span<std::byte> destination) const {
  while (!destination.empty()) {
    const ssize_t count =
        ::pread(descriptor_, destination.data(), std::min(destination.size(), kLargestRead),
                static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    check<IoError>(count >= 0, "{}: cannot be read: {}", path_.string(), std::strerror(errno));
    check<ModelError>(count > 0, "{}: became shorter while it was read", path_.string());
    offset += static_cast<uint64_t>(count);
    destination = destination.subspan(static_cast<size_t>(count));
  }
}

std::string InputFile::text(uint64_t offset, uint64_t count) const {
  std::string text(count, '\0');
  read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace peft
