# Debian packages that the front end uses; all from the distribution, nothing is downloaded.
find_package(nlohmann_json 3.11 REQUIRED)  # nlohmann-json3-dev
find_package(fmt 9 REQUIRED)               # libfmt-dev
find_package(spdlog 1.10 REQUIRED)         # libspdlog-dev
find_package(CLI11 2.1 REQUIRED)           # libcli11-dev
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)  # libssl-dev
find_package(yaml-cpp 0.7 REQUIRED)        # libyaml-cpp-dev
find_package(PkgConfig REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)            # libpcre2-dev
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc) # libutf8proc-dev
