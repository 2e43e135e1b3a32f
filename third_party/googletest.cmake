# GoogleTest 1.12 or newer: libgtest-dev.
find_package(GTest 1.12 REQUIRED)
