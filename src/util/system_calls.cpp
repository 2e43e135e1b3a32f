#include "peft/util/system_calls.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>

namespace peft {

SystemCalls& system_calls() {
  static SystemCalls calls = {
      [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
      ::write,
      ::fsync,
      ::close,
      ::rename,
      [](const char* from, const char* to) {
        return ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
      },
      [](const char* one, const char* other) {
        return ::renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
      },
      ::unlink,
      ::mkdir,
      ::rmdir,
      [](const char* path) -> int64_t {
        struct statvfs found {};
        if (::statvfs(path, &found) != 0) {
          return -1;
        }
        return static_cast<int64_t>(found.f_bavail) * static_cast<int64_t>(found.f_frsize);
      },
  };
  return calls;
}

}  // namespace peft
