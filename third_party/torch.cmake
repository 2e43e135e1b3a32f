# LibTorch 2.11 from the `torch` wheel or an official LibTorch folder. Our own imported targets:
# find_package(Torch) would always link CUDA and demand its toolkit.
#   torch_cpu    the engine and every engine test
#   torch_cuda   the CUDA plug-in alone (only with PEFT_CUDA)
set(PEFT_TORCH_DIR "" CACHE PATH "the torch package: <site-packages>/torch, or a LibTorch folder")
if(NOT PEFT_TORCH_DIR)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
            "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result ERROR_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "LibTorch not found. Run scripts/setup, or give -DPEFT_TORCH_DIR=<site-packages>/torch")
  endif()
  set(PEFT_TORCH_DIR ${found} CACHE PATH "" FORCE)
endif()
file(STRINGS ${PEFT_TORCH_DIR}/include/torch/headeronly/version.h torch_version
     REGEX "^ *\"2[.]")
if(NOT torch_version MATCHES "\"2[.]11[.]")
  message(FATAL_ERROR "${PEFT_TORCH_DIR}: expected LibTorch 2.11, found ${torch_version}")
endif()

find_package(OpenMP REQUIRED)  # at::parallel_for in our own sources is serial without it
set(torch_lib ${PEFT_TORCH_DIR}/lib)
list(APPEND CMAKE_BUILD_RPATH $ORIGIN ${torch_lib})
list(APPEND CMAKE_INSTALL_RPATH $ORIGIN ${torch_lib})
# The wheel carries headers of another fmt; ours must be found first.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include_first)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/include_first/fmt SYMBOLIC)
add_library(torch_cpu INTERFACE)
target_include_directories(torch_cpu SYSTEM INTERFACE
  ${CMAKE_BINARY_DIR}/include_first ${PEFT_TORCH_DIR}/include ${PEFT_TORCH_DIR}/include/torch/csrc/api/include)
target_link_libraries(torch_cpu INTERFACE OpenMP::OpenMP_CXX -Wl,--allow-shlib-undefined
  "-Wl,--push-state,--no-as-needed,${torch_lib}/libtorch_cpu.so,${torch_lib}/libc10.so,--pop-state")

include(CheckLanguage)
check_language(CUDA)
set(cuda_default OFF)
if(CMAKE_CUDA_COMPILER)
  set(cuda_default ON)
endif()
option(PEFT_CUDA "build libpeft_cuda.so (needs nvcc)" ${cuda_default})
if(PEFT_CUDA)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90 CACHE STRING "")
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)  # headers only
  set(nvidia ${PEFT_TORCH_DIR}/../nvidia)
  add_library(torch_cuda INTERFACE)
  target_include_directories(torch_cuda SYSTEM INTERFACE
    ${nvidia}/cu13/include ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(torch_cuda INTERFACE torch_cpu ${nvidia}/cu13/lib/libcudart.so.13
    "-Wl,--push-state,--no-as-needed,${torch_lib}/libtorch_cuda.so,${torch_lib}/libc10_cuda.so,--pop-state")
endif()
